"""Real pages of real servers are read; hostile ones cost nothing; the thread keeps time and leaves nothing behind."""

import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from touchstone.clock import now_ns
from touchstone.measure.load.connection import parse_address
from touchstone.measure.load.scrape import Scraper, parse_exposition
from touchstone.server_names import read

PAGES = Path(__file__).parents[2] / "data" / "metrics"


def page(name):
    return (PAGES / name).read_text(encoding="utf-8")


def reading_of(name):
    return read(parse_exposition(page(name)), 0)


@contextmanager
def server(answer):
    """A server on a free loopback port; ``answer(handler)`` writes the answer to each GET."""
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            answer(self)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        httpd.daemon_threads = True
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{httpd.server_port}"
        finally:
            httpd.shutdown()
            thread.join()


def text(body, status=200):
    def answer(handler):
        handler.send_response(status)
        handler.end_headers()
        handler.wfile.write(body.encode())
    return answer


@pytest.mark.parametrize(("name", "engine", "values"), [
    ("vllm-v0-early.txt", "vllm", {"kv_cache_fraction": 0.38849487785658}),
    ("vllm-v1-design-doc.txt", "vllm", {"running": 8.0, "generation_tokens_total": 27453.0}),
    ("sglang-doc-llama3.1-8b.txt", "sglang",
     {"running": 162.0, "waiting": 2826.0, "kv_cache_fraction": 0.28, "prefix_cache_hit_fraction": 0.007507552643049313,
      "prefix_cache_queries": 8128902.0, "prompt_tokens_total": 8128902.0, "generation_tokens_total": 7557572.0}),
    ("tgi-constructed.txt", "tgi", {"running": 5.0, "waiting": 3.0}),
    ("llamacpp-2026.txt", "llamacpp",
     {"running": 0.0, "waiting": 0.0, "prompt_tokens_total": 10.0, "generation_tokens_total": 16.0, "prefix_cache_queries": 10.0,
      "prefix_cache_hits": 4.0}),
    ("llamacpp-documented.txt", "llamacpp",
     {"running": 4.0, "waiting": 2.0, "kv_cache_fraction": 0.25, "prompt_tokens_total": 4096.0, "generation_tokens_total": 1024.0}),
    ("mindie-coordinator-doc-llama3-8b.txt", "mindie",
     {"running": 0.0, "waiting": 0.0, "kv_cache_fraction": 1.0, "prefix_cache_hit_fraction": 0.5, "prompt_tokens_total": 9564.0,
      "generation_tokens_total": 84425.0, "preemptions": 637.0}),
])
def test_the_numbers_of_each_server_are_found(name, engine, values):
    reading = reading_of(name)
    assert (reading.engine, reading.values) == (engine, values)


def test_the_histograms_of_each_server_are_found():
    vllm = reading_of("vllm-v1-design-doc.txt").histograms["ttft_seconds"]
    assert (vllm.count, vllm.sum_s, vllm.buckets[0], vllm.buckets[-1]) == (140.0, None, (0.001, 0.0), (0.1, 140.0))
    sglang = reading_of("sglang-doc-llama3.1-8b.txt").histograms
    assert set(sglang) == {"ttft_seconds", "itl_seconds", "e2e_seconds"}
    assert (sglang["ttft_seconds"].count, sglang["ttft_seconds"].sum_s) == (11008.0, 2351897.9474117756)
    mindie = reading_of("mindie-coordinator-doc-llama3-8b.txt").histograms
    assert (mindie["ttft_seconds"].count, mindie["ttft_seconds"].sum_s, len(mindie["ttft_seconds"].buckets)) == (2523.0, None, 16)
    assert mindie["itl_seconds"].sum_s == 4445.857012826018
    tgi = reading_of("tgi-constructed.txt").histograms
    assert (tgi["tpot_seconds"].count, tgi["tpot_seconds"].sum_s) == (150.0, 2.1)


def test_a_broken_line_costs_no_other_line():
    good = 'vllm:num_requests_running 3\nvllm:num_requests_waiting{a="x y } z\\""} 4 1700000000000\n'
    broken = ("vllm:num_requests_running{\nvllm:num_requests_running\nvllm:num_requests_running{a=}b 1\nvllm:kv_cache_usage_perc 0.5.5\n"
              "{} 1\n# TYPE\n# TYPE vllm:num_requests_running gauge gauge gauge\nvllm:kv_cache_usage_perc NaN\n\x00\ud7ff\n")
    reading = read(parse_exposition(broken + good + broken), 0)
    assert reading.values == {"running": 3.0, "waiting": 4.0}


def test_of_a_repeated_series_the_last_counts():
    assert read(parse_exposition("vllm:num_requests_running 3\nvllm:num_requests_running 5\n"), 0).values == {"running": 5.0}


def test_only_what_is_wanted_is_kept_and_never_too_much_of_it():
    other = "".join(f'other_{k}_total{{a="{k}"}} 1\n' for k in range(1000))
    many = "".join(f'vllm:num_requests_running{{engine="{k}"}} 1\n' for k in range(30_000))
    assert parse_exposition(other) == {}
    assert len(parse_exposition(many)) == 20_000
    assert parse_exposition('vllm:num_requests_running{a="' + "x" * 100_000 + '"} 1\n') == {}


PIECES = ["vllm:num_requests_running", "sglang:token_usage", "{", "}", '"', "\\", "=", ",", "le", " ", "\t", "1", "1e999", "NaN", "-", "#",
          "HELP ", "TYPE ", "\n", "\r\n", "_bucket", 'vllm:time_to_first_token_seconds_bucket{le="0.1"} 3', "\u2028", "é", "\x00"]


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join) | st.text(max_size=200))
@example('vllm:num_requests_running{le="\x00')
def test_no_text_raises(hostile):
    samples = parse_exposition(hostile + "\nvllm:num_requests_waiting 2\n")
    assert samples["vllm:num_requests_waiting", ()] == 2.0
    assert read(samples, 0).values["waiting"] == 2.0


@given(st.data())
def test_no_damage_to_a_real_page_raises(data):
    whole = page("sglang-doc-llama3.1-8b.txt")
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, len(whole)))
    read(parse_exposition(whole[:start] + data.draw(st.text(max_size=5)) + whole[end:]), 0)


def test_one_reading_of_a_server_under_a_prefix_and_with_a_key():
    seen = []

    def answer(handler):
        seen.append((handler.path, handler.headers["Authorization"]))
        text(page("vllm-v1-design-doc.txt"))(handler)

    with server(answer) as url:
        for base in (url, f"{url}/v1", f"{url}/llm/v1"):
            scraper = Scraper(parse_address(base), {"Authorization": "Bearer k"})
            started_ns = now_ns()
            reading = scraper.read_once()
            assert started_ns <= reading.at_ns <= now_ns()
            assert (reading.values["running"], scraper.reason, scraper.failures) == (8.0, None, 0)
    assert seen == [("/metrics", "Bearer k"), ("/metrics", "Bearer k"), ("/llm/metrics", "Bearer k")]


def test_proxies_of_the_environment_are_not_used(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with server(text("vllm:num_requests_running 1\n")) as url:
        assert Scraper(parse_address(url)).read_once().values == {"running": 1.0}


@pytest.mark.parametrize(("answer", "reason"), [
    (text("no such page", 404), "HTTP 404"),
    (text("This server does not support metrics", 501), "HTTP 501"),
    (text("<html>welcome</html>"), "no metric that is known"),
    (text(""), "no metric that is known"),
    (lambda handler: handler.wfile.write(b"SSH-2.0-hello\r\n"), "BadStatusLine"),
    (lambda handler: handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort"), None),
    (lambda handler: handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), None),
    (lambda handler: handler.connection.close(), None),
])
def test_a_server_without_metrics_is_a_reason_and_never_an_error(answer, reason):
    with server(answer) as url:
        scraper = Scraper(parse_address(url))
        assert scraper.read_once() is None
        assert scraper.failures == 1
        assert scraper.reason
        assert reason is None or scraper.reason.startswith(reason)


def test_a_port_nobody_listens_on_is_a_reason():
    with server(text("")) as url:
        pass
    scraper = Scraper(parse_address(url))
    assert scraper.read_once() is None
    assert "refused" in scraper.reason


def test_a_page_that_never_ends_is_given_up():
    def drip(handler):
        handler.send_response(200)
        handler.end_headers()
        try:
            for _ in range(1000):
                handler.wfile.write(b"x")
                time.sleep(0.01)
        except OSError:
            pass

    with server(drip) as url:
        scraper = Scraper(parse_address(url), timeout_s=0.2)
        assert scraper.read_once() is None
        assert scraper.reason == "too slow"


def test_the_thread_reads_on_the_clock_and_stops_when_told():
    grown = iter(range(1_000_000))
    enough = threading.Event()

    def answer(handler):
        count = next(grown)
        text(f"vllm:generation_tokens_total {count}\nvllm:num_requests_running 2\nvllm:time_to_first_token_seconds_count 1\n")(handler)
        if count >= 5:
            enough.set()

    with server(answer) as url:
        started_ns = now_ns()
        with Scraper(parse_address(url), period_s=0.02) as scraper:
            assert enough.wait(30)
        ended_ns = now_ns()
        samples = scraper.take_samples()
    assert not any(thread.name == "scrape" for thread in threading.enumerate())
    assert scraper.take_samples() == []
    tokens = [sample for sample in samples if sample.metric == "generation_tokens_total"]
    assert [sample.value for sample in tokens] == list(range(len(tokens)))
    assert len(tokens) >= 5
    stamps = [sample.at_ns for sample in tokens]
    assert stamps == sorted(stamps)
    assert started_ns <= stamps[0] <= stamps[-1] <= ended_ns
    assert len(tokens) <= (ended_ns - started_ns) / 20e6 + 2  # never more often than asked
    assert {sample.metric for sample in samples} == {"generation_tokens_total", "running", "ttft_seconds_count"}
    assert {sample.engine for sample in samples} == {"vllm"}


def test_a_server_that_has_no_metrics_is_asked_once():
    asked = []

    def answer(handler):
        asked.append(handler.path)
        text("", 404)(handler)

    with server(answer) as url, Scraper(parse_address(url), period_s=0.01) as scraper:
        scraper._thread.join(30)
        assert not scraper._thread.is_alive()
    assert asked == ["/metrics"]
    assert scraper.reason == "HTTP 404"


def test_a_server_that_fails_for_a_while_is_asked_again():
    answers = iter([text("vllm:num_requests_running 1\n"), text("", 503), text("vllm:num_requests_running 2\n")])
    done = threading.Event()

    def answer(handler):
        one = next(answers, None)
        if one is None:
            done.set()
        (one or text("vllm:num_requests_running 9\n"))(handler)

    with server(answer) as url, Scraper(parse_address(url), period_s=0.01) as scraper:
        assert done.wait(30)
    assert [sample.value for sample in scraper.take_samples()][:2] == [1.0, 2.0]
    assert scraper.failures == 1
