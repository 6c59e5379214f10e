//! A step plan, flattened into rows.

use crate::contract::{ForwardError, Geometry, LogitRows, Phase, SequenceId, StepPlan};

/// All tokens of a step in one list, and which sequence owns which rows.
pub(crate) struct Batch {
    /// Token ids, one per row.
    pub(crate) ids: Vec<u32>,
    /// Positions within the own sequence, one per row.
    pub(crate) positions: Vec<u32>,
    /// Tokens of the own sequence that were known when the row was first computed, one per row.
    pub(crate) known: Vec<usize>,
    /// Where each row's keys and values go: block × block size + offset.
    pub(crate) slots: Vec<usize>,
    /// The sequences.
    pub(crate) spans: Vec<Span>,
    /// The phases of the rows, run by run.
    pub(crate) phases: Vec<PhaseRun>,
    /// Rows that want logits.
    pub(crate) logit_rows: Vec<usize>,
    /// The phases of these, run by run.
    pub(crate) logit_phases: Vec<PhaseRun>,
    /// Sequences of which nothing need be kept any more.
    pub(crate) ended: Vec<SequenceId>,
}

/// Consecutive rows of one phase. Which kernels compute a row goes by its phase, never by the
/// number of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PhaseRun {
    /// What they are.
    pub(crate) phase: Phase,
    /// How many.
    pub(crate) rows: usize,
}

/// Adds rows to a list of runs.
pub(crate) fn extend(runs: &mut Vec<PhaseRun>, phase: Phase, rows: usize) {
    match runs.last_mut() {
        Some(run) if run.phase == phase => run.rows += rows,
        _ if rows > 0 => runs.push(PhaseRun { phase, rows }),
        _ => {}
    }
}

/// One sequence's rows.
pub(crate) struct Span {
    /// Whose they are.
    pub(crate) sequence: SequenceId,
    /// What they are.
    pub(crate) phase: Phase,
    /// Its first row in the batch.
    pub(crate) first_row: usize,
    /// How many rows.
    pub(crate) rows: usize,
    /// Position of the first row.
    pub(crate) start: usize,
    /// Its blocks, in order of position.
    pub(crate) blocks: Vec<usize>,
}

impl Batch {
    /// Flattens and checks a plan: the planner is ours, but a wrong slot would overwrite another
    /// conversation's cache.
    pub(crate) fn new(plan: &StepPlan, geometry: Geometry) -> Result<Self, ForwardError> {
        let invalid = |reason: String| Err(ForwardError::InvalidPlan(reason));
        let tokens = plan.token_count();
        let mut batch = Self {
            ids: Vec::with_capacity(tokens),
            positions: Vec::with_capacity(tokens),
            known: Vec::with_capacity(tokens),
            slots: Vec::with_capacity(tokens),
            spans: Vec::with_capacity(plan.sequences.len()),
            phases: Vec::new(),
            logit_rows: Vec::new(),
            logit_phases: Vec::new(),
            ended: plan.ended.clone(),
        };
        for step in &plan.sequences {
            let end = step.start + step.tokens.len();
            if step.tokens.is_empty() || end > geometry.context_length {
                return invalid(format!(
                    "{:?}: tokens {}..{end} of {}",
                    step.sequence, step.start, geometry.context_length
                ));
            }
            if step
                .block_table
                .iter()
                .any(|block| block.0 as usize >= geometry.block_count)
            {
                return invalid(format!("{:?}: a block beyond the cache", step.sequence));
            }
            let first_row = batch.ids.len();
            for (offset, &id) in step.tokens.iter().enumerate() {
                if id as usize >= geometry.vocabulary {
                    return invalid(format!("token {id} of {}", geometry.vocabulary));
                }
                let position = step.start + offset;
                let Some(slot) = step.slot(position, geometry.block_size) else {
                    return invalid(format!("{:?}: no block for {position}", step.sequence));
                };
                batch.ids.push(id);
                batch.positions.push(position as u32);
                batch.known.push(step.known_at(position));
                batch.slots.push(slot);
            }
            let rows = step.tokens.len();
            match step.logits {
                LogitRows::None => {}
                LogitRows::Last => batch.logit_rows.push(first_row + rows - 1),
                LogitRows::All => batch.logit_rows.extend(first_row..first_row + rows),
            }
            extend(&mut batch.phases, step.phase, rows);
            extend(&mut batch.logit_phases, step.phase, step.logit_rows());
            batch.spans.push(Span {
                sequence: step.sequence,
                phase: step.phase,
                first_row,
                rows,
                start: step.start,
                blocks: step
                    .block_table
                    .iter()
                    .map(|block| block.0 as usize)
                    .collect(),
            });
        }
        Ok(batch)
    }

    /// One sequence, of whose tokens only the places in the cache are known.
    #[cfg(test)]
    pub(crate) fn for_tests(slots: Vec<usize>, start: usize, blocks: Vec<usize>) -> Self {
        let rows = slots.len();
        Self {
            ids: vec![0; rows],
            positions: (start..start + rows)
                .map(|position| position as u32)
                .collect(),
            known: vec![start + rows; rows],
            slots,
            spans: vec![Span {
                sequence: SequenceId(0),
                phase: Phase::Prompt,
                first_row: 0,
                rows,
                start,
                blocks,
            }],
            phases: vec![PhaseRun {
                phase: Phase::Prompt,
                rows,
            }],
            logit_rows: Vec::new(),
            logit_phases: Vec::new(),
            ended: Vec::new(),
        }
    }

    /// Rows in the batch.
    pub(crate) fn tokens(&self) -> usize {
        self.ids.len()
    }
}
