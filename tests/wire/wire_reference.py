"""A second reader of answers: one byte at a time, slow, and meant to be seen to be right. The tests hold the fast one against it."""

import json

from touchstone.served import Ending, EventKind


def body_bytes(raw):
    """(status, content type, framing is complete, [(byte, offset just past it in raw)]) of a well-formed answer, complete or not."""
    text, _, rest = raw.partition(b"\r\n\r\n")
    lines = text.decode("latin-1").split("\r\n")
    fields = {line.split(":", 1)[0].lower(): line.split(":", 1)[1].strip() for line in lines[1:]}
    start = len(raw) - len(rest)
    numbered = [(byte, start + index + 1) for index, byte in enumerate(rest)]
    status, kind = int(lines[0].split()[1]), fields.get("content-type", "")
    if fields.get("transfer-encoding") == "chunked":
        return (status, kind, *_dechunk(numbered))
    if "content-length" in fields:
        length = int(fields["content-length"])
        return status, kind, len(rest) >= length, numbered[:length]
    return status, kind, None, numbered


def _dechunk(numbered):
    body, at = [], 0
    while True:
        line = bytearray()
        while not line.endswith(b"\r\n"):
            if at == len(numbered):
                return False, body
            line.append(numbered[at][0])
            at += 1
        left = int(line.split(b";")[0], 16)
        if left == 0:
            return bytes(byte for byte, _ in numbered[at:]).endswith(b"\r\n"), body
        for _ in range(left):
            if at == len(numbered):
                return False, body
            body.append(numbered[at])
            at += 1
        at += 2
        if at > len(numbered):
            return False, body


def events(body):
    """(data, event name, offset) of each event by the standard's own steps, and the data lines left at the end."""
    found, data, name, line = [], [], "", bytearray()
    after_cr = False
    if bytes(byte for byte, _ in body[:3]) == b"\xef\xbb\xbf":
        body = body[3:]
    for byte, offset in body:
        if byte == 10 and after_cr:
            after_cr = False
            continue
        after_cr = byte == 13
        if byte not in {10, 13}:
            line.append(byte)
            continue
        if not line:
            if b"".join(data).strip():
                found.append((b"\n".join(data), name, offset))
            data, name = [], ""
        elif line.startswith(b"data:"):
            data.append(bytes(line[6:] if line[5:6] == b" " else line[5:]))
        elif line == b"data":
            data.append(b"")
        elif line.startswith(b"event:"):
            name = line[6:].decode().strip()
        line = bytearray()
    return found, data


def read(raw, *, closed):
    """kinds, ends, text, reasoning text, finish, output tokens and ending of a stream without faults of form."""
    status, _, complete, body = body_bytes(raw)
    assert status == 200
    complete = closed if complete is None else complete
    found, left = events(body)
    if (complete and b"".join(left).strip()) or left == [b"[DONE]"]:
        found.append((b"\n".join(left), "", len(raw)))
    kinds, ends, text, reasoning, finish, output, done = [], [], "", "", None, None, False
    for data, _, end in found:
        if data.strip() == b"[DONE]":
            done = True
            break
        event = json.loads(data)
        kind = None
        for choice in event.get("choices", []):
            delta = choice.get("delta", {})
            content = delta.get("content") or choice.get("text") or ""
            content = content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
            thought = delta.get("reasoning_content") or delta.get("reasoning") or ""
            functions = [one["function"] for one in delta.get("tool_calls") or []] + [delta.get("function_call") or {}]
            tool = any(function.get("name") or function.get("arguments") for function in functions)
            if kind is None:
                kind = EventKind.CONTENT if content else EventKind.REASONING if thought else EventKind.TOOL if tool else None
            text, reasoning, finish = text + content, reasoning + thought, choice.get("finish_reason") or finish
        if kind is None:
            finished = any(choice.get("finish_reason") for choice in event.get("choices", []))
            counted = event.get("usage") and not event.get("choices")
            kind = EventKind.FINISH if finished else EventKind.USAGE if counted else EventKind.EMPTY
        output = (event.get("usage") or {}).get("completion_tokens", output)
        kinds.append(kind)
        ends.append(end)
    if not done and not (complete and finish):
        ending = Ending.TRUNCATED
    else:
        ending = Ending.OK if any(kind <= EventKind.TOOL for kind in kinds) else Ending.EMPTY
    return {"kinds": kinds, "ends": ends, "text": text, "reasoning_text": reasoning, "finish": finish, "output_tokens": output, "ending": ending}
