//! An answer on its way to a client, whatever the dialect.
//!
//! A dialect brings a [`Question`] (what its request asks of the engine) and either a [`Writer`]
//! (how it writes a stream) or a function that writes a whole answer out of what was [`Said`].
//! Everything between is here, once: waiting for the model, admission, ends and failures,
//! measuring, counting.

mod cost;
mod gather;
mod meter;
mod opening;
mod respond;
mod stream;

pub(crate) use cost::Cost;
pub(crate) use gather::{Call, Piece, Said};
pub(crate) use opening::{Asking, Head, Opened, Question};
pub(crate) use respond::{Complete, streamed, whole};
pub(crate) use stream::{Format, Writer};
