"""One file per format: is it well-formed, and can it do nothing but hold numbers?

Each gives the reasons why not; none of them needs torch, onnx or the model's own code.
"""
