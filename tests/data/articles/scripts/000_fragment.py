model.to("npu").eval()
question = {name: tensor.npu() for name, tensor in encoded.items()}
answer = model.generate(**question, max_new_tokens=50)
