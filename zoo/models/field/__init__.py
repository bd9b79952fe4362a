"""Networks of the field's papers, layer by layer as their authors published them: see docs/field.md.

They begin from luma; `larsson16` alone has a pretrained encoder. Each is a file of this folder.
"""
