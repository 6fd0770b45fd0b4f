"""ncfjax: is a dot product of embeddings or a learned similarity the better way to score a user and an item?"""
