"""Trained models put to use: recommend items to a user, predict one, under conditions and preferences.

request       what is asked, as plain data, checked at the door
answer        request -> answer, of one saved model or a blend of several; what a command line and a page call
names         users and items by what their data set's files call them, items by their titles too
conditions    which items have which genre, year, words in the title, number of ratings
fold_in       a user's vector from a history, the items' vectors fixed
blend         scores of several models as one, and preferences that add to a score
explain       which items of a history a score comes from
cost          how many multiplications an answer takes
"""
