"""Retrieval: the k items of a catalogue that a model scores highest for a user, all of them scored or few.

Every module has the same two functions:

    build(items, ...) -> index                            once per catalogue
    search(index, queries, k, denied) -> Found            items and scores of a batch of users

`queries` are the vectors p of users. `denied` says what may not be found (`filters`). A module says what else it takes.

    exact        everything is scored
    spread       the same over several devices, each of which has its part of the items
    pairs        the same pair by pair, for what it costs
    clusters     the lists whose means score highest, as the internship report proposes
    two_stage    candidates by a dot product that imitates the model, then the model itself
    ann          faiss, for what is a dot product

`enlarged` draws large catalogues, `recall` compares what was found.
"""
