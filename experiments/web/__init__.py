"""A local page over trained models: each answers for itself, with its milliseconds and its multiplications.

served     one model ready to answer: warmed up, described, counted
answers    what is asked -> the answers of all models, as JSON has it
workers    answers are computed in threads, and few may wait
guard      who may ask, and what a browser may do with the page
app        addresses -> the above; the page itself is in page/
server     the socket on 127.0.0.1, and the end by Ctrl-C
"""
