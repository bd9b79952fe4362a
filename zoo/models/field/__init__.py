"""Networks of the field's papers, layer by layer as their authors published them: see docs/field.md.

They begin from luma and have no pretrained encoder. Each is a file of this folder.
"""
