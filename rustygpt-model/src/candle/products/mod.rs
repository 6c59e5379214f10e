//! Products of activations with matrices of weights, and the threads that compute them.

mod team;

pub(crate) use team::team;
