import time

from openai import OpenAI

server = OpenAI(base_url="http://localhost:8000/v1", api_key="none")
question = [{"role": "user", "content": "Tell the story of one river from its spring in the hills down to the sea. " * 20}]
size = len(server.chat.completions.create(model="default", messages=question, max_tokens=1).usage.prompt_tokens)

first = None
began = time.time()
for event in server.chat.completions.create(model="default", messages=question, max_tokens=512, stream=True):
    first = first or time.time()
ended = time.time()
made = len(event.usage.completion_tokens)
print(f"{size} in, {made} out, first token after {first - began:.3f} s, then {1e3 * (ended - first) / made:.1f} ms each")
