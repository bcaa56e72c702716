"""What an ONNX export runs by: text and answers without TensorFlow, in Python and NumPy.

characters         which characters are letters, signs, spaces; small letters
splitting          texts to words or characters, as `seqtasks.text.splitting`
sentences          texts to sentences, as `seqtasks.text.sentences`
learnt_splitting   texts to a treebank's words, as `seqtasks.text.learnt_splitting`
encoder            texts to padded ids, as `seqtasks.text.encoder` and `tokens`
windows            long texts in pieces, as `seqtasks.text.windows`

An export holds these files in its run.pyz. Each says of which graph it is the double; that both
give the same is tested on texts of any script.
"""
