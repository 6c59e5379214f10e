//! Memory of a step, kept from one step to the next: fresh memory costs more than what is computed
//! in it.

/// Memory of a step.
#[derive(Default)]
pub(crate) struct Buffers {
    /// The residual stream.
    pub(crate) residual: Vec<f32>,
    /// Its normalisation.
    pub(crate) normed: Vec<f32>,
    /// What half a layer adds to it.
    pub(crate) branch: Vec<f32>,
    /// What half a layer needs meanwhile.
    pub(crate) layer: LayerBuffers,
}

/// Memory of half a layer.
#[derive(Default)]
pub(crate) struct LayerBuffers {
    /// Queries; the gate.
    pub(crate) first: Vec<f32>,
    /// What attention gives; what goes through the gate.
    pub(crate) second: Vec<f32>,
    /// Keys.
    pub(crate) keys: Vec<f32>,
    /// Values.
    pub(crate) values: Vec<f32>,
}

/// The first `length` numbers of memory that grows as needed.
pub(crate) fn grown(memory: &mut Vec<f32>, length: usize) -> &mut [f32] {
    if memory.len() < length {
        memory.resize(length, 0.0);
    }
    &mut memory[..length]
}
