//! The half of a layer that looks at one token at a time.

use super::batch::{PhaseRun, extend};
use super::buffers::{LayerBuffers, grown};
use super::elementwise::Activation;
use super::experts::Experts;
use super::load::{LoadError, Loader};
use super::operations::{Input, Linear, Projections};
use candle_core::Result;

/// A feed-forward network.
pub(crate) enum FeedForward {
    /// One network for every token.
    Gated(Gated),
    /// One network for every token, without a gate.
    Plain(Plain),
    /// Several, of which each token goes through a few.
    Experts(Experts),
}

impl FeedForward {
    /// Loads the network of a layer: experts if the file has them.
    pub(crate) fn load(
        loader: &Loader<'_>,
        index: usize,
        activation: Activation,
        has_gate: bool,
    ) -> std::result::Result<Self, LoadError> {
        if !has_gate {
            return Ok(Self::Plain(Plain::load(loader, index, activation)?));
        }
        match Experts::load(loader, index, activation)? {
            Some(experts) => Ok(Self::Experts(experts)),
            None => Ok(Self::Gated(Gated::load(loader, index, activation)?)),
        }
    }

    /// From the normalised residual stream to what is added to it.
    pub(crate) fn forward(
        &self,
        x: Input<'_>,
        branch: &mut [f32],
        buffers: &mut LayerBuffers,
    ) -> Result<()> {
        match self {
            Self::Gated(network) => network.forward(x, branch, buffers),
            Self::Plain(network) => network.forward(x, branch, buffers),
            Self::Experts(experts) => experts.forward(x, branch, buffers),
        }
    }
}

/// `down(activation(gate(x)) · up(x))` (Shazeer, "GLU variants", 2020).
pub(crate) struct Gated {
    pub(crate) gate_up: Projections<2>,
    pub(crate) down: Linear,
    /// What gate and up give.
    pub(crate) width: usize,
    pub(crate) activation: Activation,
}

impl Gated {
    fn load(
        loader: &Loader<'_>,
        index: usize,
        activation: Activation,
    ) -> std::result::Result<Self, LoadError> {
        let hidden = loader.sizes.hidden;
        let name = |part: &str| format!("blk.{index}.{part}");
        let width = loader.extent(&name("ffn_down.weight"), 1)?;
        Ok(Self {
            gate_up: loader.projections(
                &name(loader.stacked_gate_up()),
                [&name("ffn_gate"), &name("ffn_up")],
                [width, width],
                hidden,
            )?,
            down: loader.linear(&name("ffn_down"), hidden, width)?,
            width,
            activation,
        })
    }

    pub(crate) fn forward(
        &self,
        x: Input<'_>,
        branch: &mut [f32],
        buffers: &mut LayerBuffers,
    ) -> Result<()> {
        let length = x.rows() * self.width;
        let gate = grown(&mut buffers.first, length);
        let up = grown(&mut buffers.second, length);
        self.gate_up.forward(x, [&mut *gate, &mut *up])?;
        self.activation.gate(gate, up);
        let phases = x.phases;
        self.down.forward(
            Input {
                values: gate,
                phases,
            },
            branch,
        )
    }
}

/// `down(activation(up(x)))`, as in the first transformers (Vaswani et al., 2017).
pub(crate) struct Plain {
    up: Linear,
    down: Linear,
    /// What `up` gives.
    width: usize,
    activation: Activation,
}

impl Plain {
    fn load(
        loader: &Loader<'_>,
        index: usize,
        activation: Activation,
    ) -> std::result::Result<Self, LoadError> {
        let hidden = loader.sizes.hidden;
        let name = |part: &str| format!("blk.{index}.{part}");
        let width = loader.extent(&name("ffn_down.weight"), 1)?;
        Ok(Self {
            up: loader.linear(&name("ffn_up"), width, hidden)?,
            down: loader.linear(&name("ffn_down"), hidden, width)?,
            width,
            activation,
        })
    }

    fn forward(&self, x: Input<'_>, branch: &mut [f32], buffers: &mut LayerBuffers) -> Result<()> {
        let values = grown(&mut buffers.first, x.rows() * self.width);
        self.up.forward(x, values)?;
        self.activation.apply(values);
        let phases = x.phases;
        self.down.forward(Input { values, phases }, branch)
    }
}

/// The phase of every row.
pub(crate) fn phase_of_rows(runs: &[PhaseRun]) -> Vec<PhaseRun> {
    let one = |run: &PhaseRun| PhaseRun { rows: 1, ..*run };
    let rows = |run| std::iter::repeat_n(one(run), run.rows);
    runs.iter().flat_map(rows).collect()
}

/// The runs of chosen rows.
pub(crate) fn runs_of(rows: &[PhaseRun], chosen: impl Iterator<Item = usize>) -> Vec<PhaseRun> {
    let mut runs = Vec::new();
    for row in chosen {
        extend(&mut runs, rows[row].phase, 1);
    }
    runs
}
