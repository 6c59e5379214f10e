//! One pass of a pre-tokenizer over pieces that the passes before it made.

use super::super::character::{Cell, category};
use super::rule::{Memory, Rule, contraction};
use super::set::Set;

/// One pass: how a piece is split further.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// Each match of an ordered choice is a piece, and so is what lies between matches.
    Isolate(&'static [Rule]),
    /// Digits in groups of three counted from the right: `(?=(\d{3})+(?!\d))`.
    GroupDigitsFromRight,
    /// `\d{1,3}(?=(?:\d{3})*\b)`: groups of three from the right where a number ends its word.
    GroupWholeNumbers,
    /// `\p{N}` runs in groups of three from the right.
    GroupNumbersFromRight,
    /// The patterns of Kimi K2, which keep Han characters apart from other letters.
    KimiK2,
}

const DIGITS: Set = Set::new().ascii_span(b'0', b'9');
const NUMBERS: Set = Set::new().numbers();
const LETTERS: Set = Set::new().letters();

impl Step {
    /// Splits a piece: calls `emit` with the end of each part, in order, the last at the piece's
    /// end. A piece starts at 0 in `cells`.
    pub(super) fn split(&self, cells: &[Cell], mut emit: impl FnMut(usize)) {
        match self {
            Self::Isolate(rules) => isolate(cells, rules, &mut emit),
            Self::GroupDigitsFromRight => {
                group_runs(cells, DIGITS, |_| true, (true, false), &mut emit);
            }
            Self::GroupWholeNumbers => {
                let is_word = |cell: &Cell| {
                    u8::try_from(cell.code())
                        .is_ok_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                };
                let ends_word = |next: Option<&Cell>| next.is_none_or(|cell| !is_word(cell));
                group_runs(cells, DIGITS, ends_word, (false, true), &mut emit);
            }
            Self::GroupNumbersFromRight => {
                group_runs(cells, NUMBERS, |_| true, (false, true), &mut emit);
            }
            Self::KimiK2 => kimi_k2(cells, &mut emit),
        }
    }
}

fn isolate(cells: &[Cell], rules: &[Rule], emit: &mut impl FnMut(usize)) {
    let mut memory = Memory::default();
    let mut emitted = 0;
    let mut at = 0;
    while at < cells.len() {
        match rules
            .iter()
            .find_map(|rule| rule.matches(cells, at, &mut memory))
        {
            Some(end) if end > at => {
                if emitted < at {
                    emit(at);
                }
                emit(end);
                emitted = end;
                at = end;
            }
            _ => at += 1,
        }
    }
    if emitted < cells.len() {
        emit(cells.len());
    }
}

/// Splits runs of `digits` in groups of three from the right, where what follows the run allows
/// it. What stands before a run stays with its first group, unless `cuts_at_start` and that group
/// is full; what stands behind it is parted from it if `cuts_at_end`.
fn group_runs(
    cells: &[Cell],
    digits: Set,
    allowed: impl Fn(Option<&Cell>) -> bool,
    (cuts_at_start, cuts_at_end): (bool, bool),
    emit: &mut impl FnMut(usize),
) {
    let mut emitted = 0;
    let mut at = 0;
    while at < cells.len() {
        let length = digits.run(cells, at, usize::MAX);
        if length == 0 {
            at += 1;
            continue;
        }
        let end = at + length;
        if allowed(cells.get(end)) {
            let groups = (at + length % 3..end).step_by(3);
            let groups = groups.filter(|&cut| cut > at || cuts_at_start);
            for cut in groups
                .chain(cuts_at_end.then_some(end))
                .filter(|&cut| cut > 0)
            {
                emit(cut);
                emitted = cut;
            }
        }
        at = end;
    }
    if emitted < cells.len() {
        emit(cells.len());
    }
}

/// Whether a character is Han, by the blocks that the pattern's authors mean.
fn is_han(cell: Cell) -> bool {
    matches!(
        cell.code(),
        0x3400..=0x4DBF
            | 0x4E00..=0x9FFF
            | 0xF900..=0xFAFF
            | 0x2_0000..=0x2_A6DF
            | 0x2_A700..=0x2_EBEF
            | 0x2_F800..=0x2_FA1F
    )
}

/// `\p{Han}+ | lead? letters-but-Han+ contraction? | \p{N}{1,3} | …` as llama.cpp reads it.
fn kimi_k2(cells: &[Cell], emit: &mut impl FnMut(usize)) {
    let rest: &[Rule] = super::recipes::KIMI_K2_REST;
    let is_word = |at: usize| {
        cells
            .get(at)
            .is_some_and(|&c| LETTERS.contains(c) && !is_han(c))
    };
    let is_lead = |cell: Cell| {
        !(cell.is_ascii(b'\r')
            || cell.is_ascii(b'\n')
            || LETTERS.contains(cell)
            || cell.is(category::NUMBER))
    };
    let mut memory = Memory::default();
    let mut at = 0;
    while let Some(&cell) = cells.get(at) {
        let count = |from: usize, inside: &dyn Fn(usize) -> bool| {
            (from..cells.len())
                .take_while(|&index| inside(index))
                .count()
        };
        if is_han(cell) {
            at += count(at, &|index| is_han(cells[index]));
        } else if is_word(at) || (is_lead(cell) && is_word(at + 1)) {
            at += 1;
            at += count(at, &is_word);
            at += contraction(cells, at, true).unwrap_or(0);
        } else {
            let end = rest
                .iter()
                .find_map(|rule| rule.matches(cells, at, &mut memory));
            at = end.filter(|&end| end > at).unwrap_or(at + 1);
        }
        emit(at);
    }
}
