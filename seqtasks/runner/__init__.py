"""What an ONNX export runs by: texts in and answers out by onnxruntime, Python and NumPy alone.

Texts, each module the double of the one in `seqtasks.text` that it names:

characters         which characters are letters, signs, spaces; small letters and capitals
splitting          texts to words or characters
sentences          texts to sentences
learnt_splitting   texts to a treebank's words
subwords           texts to subwords
features           features of words
vocabulary         files of tokens
encoder            texts to padded ids
windows            long texts in pieces
written_text       ids to texts; case, copying: their capitals, and words of the source
images             files of images to what a network sees

Answers, the doubles of `seqtasks.search` and of the tasks' endpoints:

network            an ONNX graph in onnxruntime
beam, rules        beam search
averages           several networks that answer as one
sampling           text drawn token by token
tag_paths          a sentence's tags, chosen together
classifier, tagger, language_model, translator, captioner
                   what each signature answers
tensors            types of tensors, arrays of strings
batches            rows of like lengths together

An export's own program:

folder             an export, checked and loaded
check              its answers, compared with the run's own
api, server        TF Serving's REST protocol
app                the command line

An export holds these files in its run.pyz. That a double gives what the graph gives is tested on
texts of any script, and each export is compared with its run before it gets its name.
"""
