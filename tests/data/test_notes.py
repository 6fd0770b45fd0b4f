from ncfjax.data.notes import joined, with_remarks, without_remarks


def test_what_a_result_adds_to_a_note_is_known_and_can_be_left_out():
    note = joined("a subset", "", "seed=0")
    assert note == "a subset; seed=0" and with_remarks(note, []) == note
    told = with_remarks(note, ["dead", "2 tie"])
    assert told == "a subset; seed=0; result: dead; result: 2 tie"
    assert without_remarks(told) == note and without_remarks(with_remarks("", ["dead"])) == ""
