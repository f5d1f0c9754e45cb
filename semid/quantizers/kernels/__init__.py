"""Functions of tensors that the tokenizers share; none knows a tokenizer, its options or its files."""
