//! The tensor engine: our own language families over Candle tensors, batched, on a paged cache, and
//! our own encoders.
//!
//! Nothing outside this folder says the tensor library's name. A family calls only the opaque
//! operations of `operations` and `cache`, so that kernels can change without touching it.

mod attention;
mod batch;
mod buffers;
mod cache;
mod convolution;
mod decoder;
mod device;
mod elementwise;
mod embedder;
mod encoder;
mod expert_weights;
mod experts;
mod families;
mod feed_forward;
mod footprint;
mod hyperparameters;
mod layer_norm;
mod load;
mod load_error;
mod names;
mod norm;
mod operations;
mod products;
mod progress;
mod rope;
mod self_attention;
mod shared;
mod threads;
mod vector;

pub use cache::CacheType;
pub use device::{ComputeDevice, DeviceError};
pub use embedder::load_embedder;
pub use footprint::{Footprint, WORKING_SPACE, embedder_footprint, footprint};
pub use load::{CandleModel, LoadOptions, load};
pub use threads::{ThreadsError, use_threads};
