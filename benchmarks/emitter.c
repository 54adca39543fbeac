/* A server that does nothing but emit: the other end of saturation benchmarks, where the scripted server would be the limit.
 *
 *     gcc -O2 -o emitter emitter.c && ./emitter PORT OUTPUT_TOKENS TTFT_US ITL_US LOGFILE
 *
 * PORT 0 is any free port; the address is printed. Every POST is answered with a stream of chat or completion events, chunked, one
 * send() per event, min(max_tokens, OUTPUT_TOKENS) tokens, then usage and [DONE]. Token k is due TTFT + k * ITL after the kernel
 * received the request. What is overdue goes behind what else is, so that with ITL 0 the streams take turns. A prompt counts its words
 * (or token ids), and a chat 4 more.
 *
 * At SIGTERM or SIGINT the log is written, one line per request:
 *     REQUEST_ID RECEIVED_NS PROMPT_TOKENS TOKENS  SENDING_NS...  SENT_NS...
 * CLOCK_MONOTONIC nanoseconds, just before and just after the send() of each token; REQUEST_ID is X-Request-Id, or "-".
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS = 1 << 16, SPIN_NS = 200000, FIRED_PER_TURN = 64, HANDLED_PER_TURN = 4, READ_BYTES = 1 << 18, EVENT_BYTES = 512 };

typedef int64_t ns_t;
typedef struct { char id[64]; ns_t received; int prompt_tokens, tokens, sent; ns_t *sending_ns, *sent_ns; } Request;
typedef struct {
    int fd, chat, close_after;
    char *in; size_t in_len, in_size;
    ns_t received;
    Request *request;                      /* being answered, or NULL */
    int next;                              /* event that is sent next: tokens, then the tail */
    unsigned generation;                   /* agenda entries of an earlier life are ignored */
    char out[2 * EVENT_BYTES]; size_t out_len, out_at;
} Connection;
typedef struct { ns_t due; uint64_t turn; int fd; unsigned generation; } Entry;

static Connection *connections[CONNECTIONS];
static unsigned generations[CONNECTIONS];
static Entry *agenda; static size_t agenda_len, agenda_size;
static Request **requests; static size_t requests_len, requests_size;
static uint64_t turns;
static int poller, most_tokens;
static ns_t ttft_ns, itl_ns;
static volatile sig_atomic_t stopped;
static char pieces[2][3][EVENT_BYTES]; static size_t piece_len[2][3];   /* [chat][first, middle, last] */

static ns_t clock_ns(clockid_t clock) { struct timespec t; clock_gettime(clock, &t); return (ns_t)t.tv_sec * 1000000000 + t.tv_nsec; }
static ns_t now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }
static void *grown(void *memory, size_t *size, size_t item) {
    *size = *size ? *size * 2 : 1024;
    memory = realloc(memory, *size * item);
    if (!memory) { perror("realloc"); exit(1); }
    return memory;
}
static void on_signal(int number) { (void)number; stopped = 1; }

/* --- the agenda: a heap of due times -------------------------------------------------------------------------------------------- */

static int earlier(const Entry *a, const Entry *b) { return a->due != b->due ? a->due < b->due : a->turn < b->turn; }
static void sift_down(size_t at) {
    Entry moved = agenda[at];
    for (size_t child; (child = 2 * at + 1) < agenda_len; at = child) {
        if (child + 1 < agenda_len && earlier(&agenda[child + 1], &agenda[child])) child++;
        if (!earlier(&agenda[child], &moved)) break;
        agenda[at] = agenda[child];
    }
    agenda[at] = moved;
}
static void schedule(ns_t due, Connection *c) {
    if (agenda_len == agenda_size) agenda = grown(agenda, &agenda_size, sizeof *agenda);
    Entry entry = {due, turns++, c->fd, c->generation};
    size_t at = agenda_len++;
    for (; at && earlier(&entry, &agenda[(at - 1) / 2]); at = (at - 1) / 2) agenda[at] = agenda[(at - 1) / 2];
    agenda[at] = entry;
}
static void pop(void) { if (--agenda_len) { agenda[0] = agenda[agenda_len]; sift_down(0); } }

/* --- events ------------------------------------------------------------------------------------------------------------------------ */

static size_t chunk(char *out, const char *head, const char *json) {
    return (size_t)sprintf(out, "%s%zx\r\ndata: %s\n\n\r\n", head, strlen(json) + 8, json);
}
static void render(void) {
    static const char *head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (int chat = 0; chat < 2; chat++)
        for (int place = 0; place < 3; place++) {
            char json[EVENT_BYTES];
            const char *finish = place == 2 ? "\"length\"" : "null";
            sprintf(json, "{\"id\":\"emitter-0\",\"object\":\"%s\",\"created\":0,\"model\":\"emitter\",\"choices\":[{\"index\":0,%s,\"logprobs\":null,\"finish_reason\":%s}]}",
                    chat ? "chat.completion.chunk" : "text_completion", chat ? "\"delta\":{\"content\":\" tok\"}" : "\"text\":\" tok\"", finish);
            piece_len[chat][place] = chunk(pieces[chat][place], place ? "" : head, json);
        }
}
static size_t tail(char *out, const Connection *c) {
    char json[EVENT_BYTES];
    int prompt = c->request->prompt_tokens, tokens = c->request->tokens;
    sprintf(json, "{\"id\":\"emitter-0\",\"object\":\"%s\",\"created\":0,\"model\":\"emitter\",\"choices\":[],\"usage\":{\"prompt_tokens\":%d,\"completion_tokens\":%d,\"total_tokens\":%d}}",
            c->chat ? "chat.completion.chunk" : "text_completion", prompt, tokens, prompt + tokens);
    size_t length = chunk(out, "", json);
    length += chunk(out + length, "", "[DONE]");
    memcpy(out + length, "0\r\n\r\n", 5);
    return length + 5;
}

/* --- connections --------------------------------------------------------------------------------------------------------------------- */

static void take(Connection *c);

static void drop(Connection *c) {
    connections[c->fd] = NULL;
    close(c->fd);
    free(c->in);
    free(c);
}
static void want(Connection *c, uint32_t events) {
    struct epoll_event event = {.events = events, .data.fd = c->fd};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
}
static int reply(Connection *c, const char *status, const char *body) {  /* short answers fit any socket buffer */
    char out[1024];
    int length = snprintf(out, sizeof out, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", status, strlen(body), body);
    if (send(c->fd, out, (size_t)length, MSG_NOSIGNAL) == length) return 1;
    drop(c);
    return 0;
}

/* The next event of c has left whole. Returns when the one after it is due, or -1 if the answer is over and c may be gone. */
static ns_t sent(Connection *c, ns_t sent_at) {
    Request *r = c->request;
    if (c->next < r->tokens) { r->sent_ns[c->next] = sent_at; r->sent = ++c->next; }
    else {
        c->request = NULL;
        if (c->close_after) drop(c); else take(c);
        return -1;
    }
    ns_t due = r->received + ttft_ns + (c->next < r->tokens ? c->next : r->tokens - 1) * itl_ns;
    return due > sent_at ? due : sent_at;
}

static void fire(void) {
    Connection *c = connections[agenda[0].fd];
    if (!c || c->generation != agenda[0].generation) { pop(); return; }
    Request *r = c->request;
    const char *data; size_t length;
    if (c->next < r->tokens) {
        int place = c->next == 0 ? 0 : c->next == r->tokens - 1 ? 2 : 1;
        data = pieces[c->chat][place]; length = piece_len[c->chat][place];
        r->sending_ns[c->next] = now_ns();
    } else { data = c->out; length = tail(c->out, c); }
    ssize_t count = send(c->fd, data, length, MSG_NOSIGNAL);
    if (count == (ssize_t)length) {
        if (c->next < r->tokens) {
            agenda[0].due = sent(c, now_ns());
            agenda[0].turn = turns++;
            sift_down(0);
        } else { pop(); sent(c, now_ns()); }
        return;
    }
    pop();
    if (count < 0 && errno != EAGAIN) { drop(c); return; }
    c->out_at = 0; c->out_len = length - (size_t)(count < 0 ? 0 : count);
    memmove(c->out, data + (length - c->out_len), c->out_len);
    want(c, EPOLLIN | EPOLLOUT);
}
static void flush_out(Connection *c) {
    ssize_t count = send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_NOSIGNAL);
    if (count < 0) { if (errno != EAGAIN) drop(c); return; }
    if ((c->out_at += (size_t)count) < c->out_len) return;
    want(c, EPOLLIN);
    ns_t due = sent(c, now_ns());
    if (due >= 0) schedule(due, c);
}

/* --- requests ------------------------------------------------------------------------------------------------------------------------ */

static int words_of(const char *text, const char *end, const char **after) {   /* of a JSON string, from just past its quote */
    int words = 0, inside = 0;
    for (; text < end && *text != '"'; text++) {
        int space = *text == ' ' || *text == '\n' || *text == '\t';
        if (*text == '\\' && text + 1 < end) { text++; space = *text == 'n' || *text == 't' || *text == 'r'; }
        if (!space && !inside) words++;
        inside = !space;
    }
    *after = text;
    return words;
}
static int prompt_tokens(const char *body, const char *end, int chat) {
    static const char *keys[2] = {"\"prompt\"", "\"content\""};
    int tokens = chat ? 4 : 0;
    const char *at = body;
    while ((at = memmem(at, (size_t)(end - at), keys[chat], strlen(keys[chat])))) {
        at += strlen(keys[chat]);
        while (at < end && (*at == ' ' || *at == ':')) at++;
        if (at < end && *at == '"') tokens += words_of(at + 1, end, &at);
        else if (at < end && *at == '[') {
            for (tokens++; at < end && *at != ']'; at++) tokens += *at == ',';
        }
        if (at >= end) break;
    }
    return tokens;
}
static const char *header(const char *head, const char *end, const char *name, size_t *length) {
    for (const char *line = head; (line = memmem(line, (size_t)(end - line), "\r\n", 2)) && line + 2 < end; ) {
        line += 2;
        if (strncasecmp(line, name, strlen(name)) == 0) {
            const char *value = line + strlen(name), *stop = memchr(value, '\r', (size_t)(end - value));
            while (value < stop && *value == ' ') value++;
            *length = (size_t)(stop - value);
            return value;
        }
    }
    return NULL;
}
static void begin(Connection *c, const char *head_end, const char *body, const char *body_end) {
    Request *r = calloc(1, sizeof *r);
    size_t length;
    const char *id = header(c->in, head_end, "x-request-id:", &length);
    strcpy(r->id, "-");
    if (id && length && length < sizeof r->id) { memcpy(r->id, id, length); r->id[length] = 0; }
    c->chat = memmem(c->in, (size_t)(strchr(c->in, '\r') - c->in), "chat", 4) != NULL;
    r->prompt_tokens = prompt_tokens(body, body_end, c->chat);
    r->tokens = most_tokens;
    static const char *limits[] = {"\"max_tokens\":", "\"max_completion_tokens\":"};
    for (int k = 0; k < 2; k++) {
        const char *limit = memmem(body, (size_t)(body_end - body), limits[k], strlen(limits[k]));
        int asked = limit ? atoi(limit + strlen(limits[k])) : 0;
        if (asked > 0 && asked < r->tokens) r->tokens = asked;
    }
    r->received = c->received;
    r->sending_ns = calloc(2 * (size_t)r->tokens, sizeof(ns_t));
    r->sent_ns = r->sending_ns + r->tokens;
    if (requests_len == requests_size) requests = grown(requests, &requests_size, sizeof *requests);
    requests[requests_len++] = r;
    c->request = r;
    c->next = 0;
    schedule(r->received + ttft_ns, c);
}
/* Start on the next request, if it is there whole and none is being answered. */
static void take(Connection *c) {
    while (!c->request && c->in_len) {
        char *end = memmem(c->in, c->in_len, "\r\n\r\n", 4);
        if (!end) { if (c->in_len > 65536) drop(c); return; }
        char *body = end + 4;
        size_t digits, length = 0;
        const char *stated = header(c->in, end + 2, "content-length:", &digits);
        if (stated) length = strtoul(stated, NULL, 10);
        if (length > (64u << 20)) { drop(c); return; }
        if ((size_t)(c->in + c->in_len - body) < length) return;
        const char *closing = header(c->in, end + 2, "connection:", &digits);
        c->close_after = closing && strncasecmp(closing, "close", 5) == 0;
        if (memcmp(c->in, "POST ", 5) == 0) begin(c, end + 2, body, body + length);
        else if (memcmp(c->in, "GET /v1/models", 14) == 0) {
            if (!reply(c, "200 OK", "{\"object\":\"list\",\"data\":[{\"id\":\"emitter\",\"object\":\"model\",\"created\":0,\"owned_by\":\"emitter\"}]}")) return;
        } else if (memcmp(c->in, "GET /health", 11) == 0) { if (!reply(c, "200 OK", "")) return; }
        else if (!reply(c, "404 Not Found", "{}")) return;
        size_t used = (size_t)(body - c->in) + length;
        memmove(c->in, c->in + used, c->in_len -= used);
        if (!c->request && c->close_after) { drop(c); return; }
    }
}
/* How far the wall clock, on which the kernel stamps, is ahead of the monotonic one: the tightest of some readings, every second. */
static ns_t wall_ahead_ns(ns_t at) {
    static ns_t ahead, read_at;
    if (read_at && at - read_at < 1000000000) return ahead;
    ns_t tightest = INT64_MAX;
    for (int k = 0; k < 10; k++) {
        ns_t before = now_ns(), wall = clock_ns(CLOCK_REALTIME), after = now_ns();
        if (after - before < tightest) { tightest = after - before; ahead = wall - (before + after) / 2; }
    }
    read_at = at;
    return ahead;
}
static void read_from(Connection *c) {
    if (c->in_size - c->in_len < READ_BYTES / 4) {
        c->in_size = c->in_size ? c->in_size * 2 : READ_BYTES / 2;
        if (c->in_size > (128u << 20) || !(c->in = realloc(c->in, c->in_size + 1))) { drop(c); return; }
    }
    char control[64];
    struct iovec part = {c->in + c->in_len, c->in_size - c->in_len};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t count = recvmsg(c->fd, &message, 0);
    if (count <= 0) { if (count == 0 || errno != EAGAIN) drop(c); return; }
    c->received = now_ns();
    for (struct cmsghdr *one = CMSG_FIRSTHDR(&message); one; one = CMSG_NXTHDR(&message, one))
        if (one->cmsg_level == SOL_SOCKET && one->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec *stamp = (struct timespec *)CMSG_DATA(one);
            ns_t kernel = (ns_t)stamp->tv_sec * 1000000000 + stamp->tv_nsec - wall_ahead_ns(c->received);
            if (kernel < c->received) c->received = kernel;
        }
    c->in_len += (size_t)count;
    c->in[c->in_len] = 0;
    take(c);
}
static void accept_from(int listener) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (fd < 0) return;
    if (fd >= CONNECTIONS) { close(fd); return; }
    Connection *c = calloc(1, sizeof *c);
    c->fd = fd;
    c->generation = ++generations[fd];
    connections[fd] = c;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
}

/* --- main ---------------------------------------------------------------------------------------------------------------------------- */

static int listening(int port) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(listener, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 4096)) { perror("listen"); exit(1); }
    getsockname(listener, (struct sockaddr *)&address, &size);
    printf("listening on http://127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}
static void write_log(const char *path) {
    FILE *file = fopen(path, "w");
    if (!file) { perror(path); exit(1); }
    for (size_t k = 0; k < requests_len; k++) {
        Request *r = requests[k];
        fprintf(file, "%s %lld %d %d", r->id, (long long)r->received, r->prompt_tokens, r->sent);
        for (int t = 0; t < r->sent; t++) fprintf(file, " %lld", (long long)r->sending_ns[t]);
        for (int t = 0; t < r->sent; t++) fprintf(file, " %lld", (long long)r->sent_ns[t]);
        fputc('\n', file);
    }
    fclose(file);
}
int main(int count, char **given) {
    if (count != 6) { fprintf(stderr, "usage: emitter PORT OUTPUT_TOKENS TTFT_US ITL_US LOGFILE\n"); return 2; }
    most_tokens = atoi(given[2]) > 0 ? atoi(given[2]) : 1;
    ttft_ns = atoll(given[3]) * 1000;
    itl_ns = atoll(given[4]) * 1000;
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    render();
    poller = epoll_create1(0);
    int listener = listening(atoi(given[1]));
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, ready[HANDLED_PER_TURN];
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    while (!stopped) {
        for (int k = 0; k < FIRED_PER_TURN && agenda_len && agenda[0].due <= now_ns(); k++) fire();
        int handled;
        if (!agenda_len) handled = epoll_wait(poller, ready, HANDLED_PER_TURN, 200);
        else {
            ns_t left = agenda[0].due - now_ns() - SPIN_NS;
            if (left > 0) {
                struct timespec wait = {left / 1000000000, left % 1000000000};
                struct pollfd polled = {poller, POLLIN, 0};
                ppoll(&polled, 1, &wait, NULL);
            }
            handled = epoll_wait(poller, ready, HANDLED_PER_TURN, 0);
        }
        for (int k = 0; k < handled; k++) {
            int fd = ready[k].data.fd;
            if (fd == listener) { accept_from(listener); continue; }
            if (connections[fd] && ready[k].events & EPOLLOUT) flush_out(connections[fd]);
            if (connections[fd] && ready[k].events & ~(uint32_t)EPOLLOUT) read_from(connections[fd]);
        }
    }
    write_log(given[5]);
    return 0;
}
