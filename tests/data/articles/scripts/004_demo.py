import torch_npu
from transformers import AutoModelForCausalLM, AutoTokenizer

FOLDER = "llama-3-8b-chat"
END_OF_THOUGHT = 151668

tokenizer = AutoTokenizer.from_pretrained(FOLDER)
model = AutoModelForCausalLM.from_pretrained(FOLDER, torch_dtype="auto").to("npu:0")
chat = tokenizer.apply_chat_template([{"role": "user", "content": "Which rope is longer, 9.8 m or 9.12 m?"}], tokenize=False,
                                     add_generation_prompt=True)
question = tokenizer(chat, return_tensors="pt").to("npu:0")
answer = model.generate(**question, max_new_tokens=1024)[0, question.input_ids.shape[-1]:].tolist()
thought = answer.index(END_OF_THOUGHT) + 1 if END_OF_THOUGHT in answer else 0
print("thought:", tokenizer.decode(answer[:thought]))
print("said:", tokenizer.decode(answer[thought:], skip_special_tokens=True))
