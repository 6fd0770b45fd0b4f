"""The precisions of matrix products by name; known without JAX, as a command that asks for help does without."""

FLOAT32 = "float32"
MANTISSA_BITS = {"tensorfloat32": 10, "bfloat16": 7}  # of the factors; sums are in float32
PRECISIONS = (FLOAT32, *MANTISSA_BITS)
