//! [`Forward`]: one pass of a model over a ragged batch on a paged cache.
//!
//! A step is one pass over a plan. Prefill, chunked prefill, decode, prefix hits and the
//! verification of drafts are the same case with different numbers (Yu et al., "Orca", OSDI 2022;
//! Kwon et al., "PagedAttention", SOSP 2023).

use super::ForwardError;

/// Names a running sequence. Unique for the life of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceId(pub u64);

/// Names a block of the key/value cache: [`Geometry::block_size`] consecutive positions of one
/// sequence, in every layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockId(pub u32);

/// What one forward pass computes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepPlan {
    /// The sequences that take part; each at most once.
    pub sequences: Vec<SequenceStep>,
    /// Sequences that ended since the last step: state kept per sequence outside the paged cache
    /// (convolutions, recurrences) is dropped.
    pub ended: Vec<SequenceId>,
}

/// One sequence's share of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceStep {
    /// Which sequence.
    pub sequence: SequenceId,
    /// The tokens to read. Never empty.
    pub tokens: Vec<u32>,
    /// The position of the first of them; the others follow without a gap. All positions before
    /// it are already in the cache.
    pub start: usize,
    /// What the tokens are; all of one kind.
    pub phase: Phase,
    /// Tokens of the whole prompt, whether this step reads some of them or not.
    pub prompt_length: usize,
    /// The blocks of this sequence, in order of position; covers `start + tokens.len()`
    /// positions.
    pub block_table: Vec<BlockId>,
    /// Which of the tokens want logits.
    pub logits: LogitRows,
}

/// What the tokens of a [`SequenceStep`] are to their sequence.
///
/// On the processor both phases, and any number of rows, compute the same bits
/// ([`Geometry::is_exact`]): a row is independent of its neighbours, of how its prompt is cut into
/// chunks, of whether earlier rows were computed now or found in the cache, and of whether a token
/// was read, drafted or chosen. The phase tells how many rows at once are the usual case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Tokens of the prompt, in however many chunks: many rows at once are the usual case.
    Prompt,
    /// Tokens that were generated: the one just chosen, drafts under verification, and all of them
    /// when a sequence is computed again after a pre-emption.
    Answer,
}

/// Which tokens of a [`SequenceStep`] want logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogitRows {
    /// None: a chunk of a prompt that goes on.
    None,
    /// The last token only.
    Last,
    /// Every token: verification of drafts, scoring of a prompt.
    All,
}

impl SequenceStep {
    /// How many rows of logits this step yields.
    #[must_use]
    pub fn logit_rows(&self) -> usize {
        match self.logits {
            LogitRows::None => 0,
            LogitRows::Last => 1,
            LogitRows::All => self.tokens.len(),
        }
    }

    /// How many tokens the sequence had when the row at `position` was first computed: all of its
    /// prompt, or everything up to a generated token. What depends on the length of a text
    /// (LongRoPE's choice of frequencies) goes by it, so that chunks, drafts and a second
    /// computation agree with the first.
    #[must_use]
    pub fn known_at(&self, position: usize) -> usize {
        self.prompt_length.max(position.saturating_add(1))
    }

    /// Where the keys and values of position `position` live: block × block size + offset.
    /// `None` if the block table does not reach that far.
    #[must_use]
    pub fn slot(&self, position: usize, block_size: usize) -> Option<usize> {
        let block = self.block_table.get(position / block_size)?;
        Some(block.0 as usize * block_size + position % block_size)
    }
}

impl StepPlan {
    /// How many tokens the step reads.
    #[must_use]
    pub fn token_count(&self) -> usize {
        self.sequences.iter().map(|step| step.tokens.len()).sum()
    }
}

/// Next-token logits, one row per wanted token, in the order of the plan.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Logits {
    /// Row-major values, `rows × vocabulary`.
    pub values: Vec<f32>,
    /// The length of a row.
    pub vocabulary: usize,
}

impl Logits {
    /// The rows, in the order of the plan.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.vocabulary.max(1))
    }
}

/// The sizes the scheduler needs to know of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Length of a row of logits.
    pub vocabulary: usize,
    /// Positions a sequence may have.
    pub context_length: usize,
    /// Positions per block of the cache.
    pub block_size: usize,
    /// Blocks in the cache.
    pub block_count: usize,
    /// A text of more tokens than this is read with other rotary frequencies than a shorter one
    /// (LongRoPE; see [`SequenceStep::known_at`]), so that the two never share blocks; `None` where
    /// every text is read alike.
    pub long_text: Option<usize>,
    /// Whether keys and values in the cache are all that is needed of a text once it is read, so
    /// that sequences may share blocks. Not so where a model keeps state outside the paged cache.
    pub shares_blocks: bool,
    /// Whether the result of a row is, bit by bit, a matter of its own text alone: not of the rows
    /// beside it, nor of how its text was cut into steps, found in the cache or guessed.
    pub is_exact: bool,
}

/// A model as the engine sees it. Exactly one thread calls it.
pub trait Forward: Send {
    /// The sizes of this model and its cache; constant for its life.
    fn geometry(&self) -> Geometry;

    /// Computes one step: writes the keys and values of all tokens of the plan to their slots and
    /// returns the wanted logits.
    ///
    /// # Errors
    /// [`ForwardError`] when the plan does not fit the model, the weights became unreadable (the
    /// file was truncated), or the device failed. The slots of the plan's tokens are then
    /// undefined; all others are untouched.
    fn forward(&mut self, plan: &StepPlan) -> Result<Logits, ForwardError>;

    /// How blocks look outside the cache; `None` where they cannot be taken out.
    fn block_layout(&self) -> Option<BlockLayout> {
        None
    }

    /// Appends what a block of the cache holds to `bytes`: [`BlockLayout::bytes`] of them. A block
    /// beyond the cache, or of a model without a layout, appends nothing.
    fn read_block(&self, _block: BlockId, _bytes: &mut Vec<u8>) {}

    /// Fills a block of the cache with what [`Self::read_block`] gave. A block beyond the cache, or
    /// bytes of another layout, change nothing.
    fn write_block(&mut self, _block: BlockId, _bytes: &[u8]) {}
}

/// How the blocks of a cache look outside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockLayout {
    /// Bytes of a block.
    pub bytes: usize,
    /// Names everything but the weights and the text that decides on these bytes: sizes, types,
    /// kernels, and the version of this program.
    pub name: [u8; 32],
}
