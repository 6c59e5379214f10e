//! Products of activations with matrices of weights, and the threads that compute them.

mod buffer;
mod instructions;
mod packed;
mod team;
mod widened;

pub(crate) use instructions::{Instructions, kernels};
pub(crate) use packed::{Activations, Packed, multiply};
pub(crate) use team::team;
pub(crate) use widened::{Element, Widened};
