"""Users' files: read, checked, cut in splits, batched. No TensorFlow but in `batches`.

files, tables, columns   lines; fields of a table; which column holds what
bad_rows, look           what can't be used, in one message; what looks wrong though it can be read
records, readers, pairs  labelled texts, and pairs of texts
labels                   what labels are: categories, sets, numbers
token_columns, tagged    tagged sentences, from CoNLL-U or columns
annotated, spacing       tagged sentences from spans in texts; what they are written of
image_files, images      images with captions
plain                    one long text
splits, batches          training, validation and test; batches of like length
statistics               what there is to say of a split
"""
