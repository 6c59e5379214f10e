//! Which models lie on disk: our own folder, Ollama's store and LM Studio's folders; what their
//! headers say of them, and whether one fits into memory.

mod describe;
mod find;
mod memory;
mod ollama;

pub use describe::{Summary, describe};
pub use find::{FoundModel, Home, lm_studio_folders, scan_folder, scan_lm_studio};
pub use memory::{MemoryFit, available_memory, fits_in_memory};
pub use ollama::{ollama_store, scan_ollama};
