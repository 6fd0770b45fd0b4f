"""The study's algorithm as one example after the other: in NumPy, as its authors run it, and compiled by numba.

    for each positive, and for m uniform items:   d = sigmoid(b + b_u + b_i + <p, q>) - y
        p -= lr (d q + reg p)      q -= lr (d p + reg q)      and likewise the three biases

Written from the description of Rendle et al. (RecSys 2020, arXiv:2005.09683); both loops do the same arithmetic.

And matrix factorization of ratings (Koren, Bell and Volinsky, IEEE Computer 2009), one rating after the other, where y
is less the mean:

    d = b_u + b_i + <p, q> - y        p, q as above;        b_u -= lr (d + mu b_u)        b_i -= lr (d + mu b_i)
"""

import numba
import numpy as np


def numpy_loop(user, item, user_bias, item_bias, bias, examples, learning_rate, regularization):
    """Examples are rows (user, item, label); the tables are changed in place, the global bias is returned."""
    for u, i, label in examples:
        p, q = user[u], item[i]
        score = bias + user_bias[u] + item_bias[i] + np.dot(p, q)
        delta = 1.0 / (1.0 + np.exp(-score)) - label
        old = p.copy()
        user[u] -= learning_rate * (delta * q + regularization * p)
        item[i] -= learning_rate * (delta * old + regularization * q)
        user_bias[u] -= learning_rate * (delta + regularization * user_bias[u])
        item_bias[i] -= learning_rate * (delta + regularization * item_bias[i])
        bias -= learning_rate * (delta + regularization * bias)
    return bias


@numba.njit(fastmath=True)
def numba_epoch(
    user, item, user_bias, item_bias, bias, users, items, order, num_negatives, learning_rate, regularization
):
    """A whole epoch on one core, float32; negatives are drawn inside. Returns the global bias."""
    num_items, dim = item.shape
    for row in order:
        u = users[row]
        for n in range(num_negatives + 1):
            i = items[row] if n == 0 else np.random.randint(num_items)
            score = bias + user_bias[u] + item_bias[i]
            for k in range(dim):
                score += user[u, k] * item[i, k]
            delta = np.float32(1.0 / (1.0 + np.exp(-score)) - (1.0 if n == 0 else 0.0))
            for k in range(dim):
                p, q = user[u, k], item[i, k]
                user[u, k] -= learning_rate * (delta * q + regularization * p)
                item[i, k] -= learning_rate * (delta * p + regularization * q)
            user_bias[u] -= learning_rate * (delta + regularization * user_bias[u])
            item_bias[i] -= learning_rate * (delta + regularization * item_bias[i])
            bias -= learning_rate * (delta + regularization * bias)
    return bias


@numba.njit(fastmath=True)
def numba_ratings_epoch(
    user, item, user_bias, item_bias, users, items, values, order, learning_rate, regularization, bias_regularization
):
    """A whole epoch of ratings on one core, float32; the tables are changed in place."""
    dim = item.shape[1]
    for row in order:
        u, i = users[row], items[row]
        p, q = user[u], item[i]
        delta = user_bias[u] + item_bias[i] - values[row]
        for k in range(dim):
            delta += p[k] * q[k]
        for k in range(dim):
            old = p[k]
            p[k] -= learning_rate * (delta * q[k] + regularization * old)
            q[k] -= learning_rate * (delta * old + regularization * q[k])
        user_bias[u] -= learning_rate * (delta + bias_regularization * user_bias[u])
        item_bias[i] -= learning_rate * (delta + bias_regularization * item_bias[i])


def fresh_tables(num_users, num_items, embedding_dim, dtype=np.float32):
    """Tables as the loops take them; `embedding_dim` counts the bias, as everywhere."""
    rng = np.random.default_rng(0)
    user, item = (0.1 * rng.standard_normal((n, embedding_dim - 1)).astype(dtype) for n in (num_users, num_items))
    return user, item, np.zeros(num_users, dtype), np.zeros(num_items, dtype), dtype(0)
