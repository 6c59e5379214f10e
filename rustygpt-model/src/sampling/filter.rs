//! The filters: which tokens may be drawn at all.

use super::Settings;
use super::row::{CHUNK, exp_nonpositive, mass, maximum as maximum_of};
use std::cmp::Ordering;

/// A token that may be drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Candidate {
    pub(super) id: u32,
    /// Its logit less the largest, divided by the temperature; at most 0.
    pub(super) score: f32,
    /// `e^score`; more than 0.
    pub(super) weight: f32,
}

/// The likelier first, the lower id among equals.
fn likelier(left: &Candidate, right: &Candidate) -> Ordering {
    right
        .score
        .total_cmp(&left.score)
        .then(left.id.cmp(&right.id))
}

/// Nearly always far enough to hold every token that a filter keeps: e^−16 is a ten-millionth of
/// the likeliest token's probability.
const USUAL_REACH: f32 = 16.0;

/// Whether any filter is on.
pub(super) fn is_any_active(settings: &Settings) -> bool {
    settings.top_k > 0 || settings.top_p < 1.0 || settings.min_p > 0.0 || settings.typical_p < 1.0
}

/// Fills `candidates` with the tokens that pass all filters; at least one if the row has a finite
/// `maximum`.
pub(super) fn keep(
    settings: &Settings,
    row: &[f32],
    maximum: f32,
    candidates: &mut Vec<Candidate>,
) {
    let scale = settings.temperature.recip();
    let top_k = match settings.top_k {
        0 => row.len(),
        count => count,
    };
    let is_cut_by_count = top_k < row.len();
    let is_typical = settings.typical_p < 1.0;
    let total = match settings.top_p < 1.0 && !is_cut_by_count && !is_typical {
        true => Some(mass(row, maximum, scale)),
        false => None,
    };
    let reach = if is_cut_by_count || total.is_some() {
        USUAL_REACH
    } else if is_typical || settings.min_p == 0.0 {
        f32::INFINITY
    } else {
        // Only `min_p` is on: it says itself how far it reaches; a little more for the rounding.
        -settings.min_p.ln() + 1e-3
    };
    gather(row, maximum, scale, reach, candidates);
    let is_enough = match total {
        Some(total) => sum(candidates) >= total * f64::from(settings.top_p),
        None => !is_cut_by_count || candidates.len() >= top_k,
    };
    if reach.is_finite() && !is_enough {
        gather(row, maximum, scale, f32::INFINITY, candidates);
    }

    if top_k < candidates.len() {
        candidates.select_nth_unstable_by(top_k, likelier);
        candidates.truncate(top_k);
    }
    if is_typical {
        keep_typical(settings.typical_p, candidates);
    }
    if settings.top_p < 1.0 {
        let total = total.unwrap_or_else(|| sum(candidates));
        keep_leading_mass(candidates, total * f64::from(settings.top_p), likelier);
    }
    if settings.min_p > 0.0 {
        let largest = candidates
            .iter()
            .map(|candidate| candidate.weight)
            .fold(0.0, f32::max);
        let least = largest * settings.min_p;
        candidates.retain(|candidate| candidate.weight >= least);
    }
}

fn sum(candidates: &[Candidate]) -> f64 {
    candidates
        .iter()
        .map(|candidate| f64::from(candidate.weight))
        .sum()
}

/// Collects the possible tokens whose score is at least `−reach`.
fn gather(row: &[f32], maximum: f32, scale: f32, reach: f32, candidates: &mut Vec<Candidate>) {
    candidates.clear();
    for (chunk, values) in row.chunks(CHUNK).enumerate() {
        let best = (maximum_of(values) - maximum) * scale;
        if best < -reach || best == f32::NEG_INFINITY {
            continue;
        }
        for (place, &value) in values.iter().enumerate() {
            let score = (value - maximum) * scale;
            if score >= -reach {
                let weight = exp_nonpositive(score);
                if weight > 0.0 {
                    let id = (chunk * CHUNK + place) as u32;
                    candidates.push(Candidate { id, score, weight });
                }
            }
        }
    }
}

/// Locally typical sampling (Meister et al., TACL 2023): the tokens whose information content is
/// nearest to the distribution's entropy, until they have the mass.
fn keep_typical(typical_p: f32, candidates: &mut Vec<Candidate>) {
    let total = sum(candidates);
    let log_total = total.ln();
    let information = |candidate: &Candidate| log_total - f64::from(candidate.score);
    let entropy: f64 = candidates
        .iter()
        .map(|candidate| f64::from(candidate.weight) / total * information(candidate))
        .sum();
    let distance = |candidate: &Candidate| (information(candidate) - entropy).abs();
    keep_leading_mass(candidates, total * f64::from(typical_p), |left, right| {
        distance(left)
            .total_cmp(&distance(right))
            .then_with(|| likelier(left, right))
    });
}

/// Keeps the shortest leading part, in the order of `compare`, whose mass reaches `target`; at
/// least one candidate. Quickselect by mass: linear on average, the order of the rest is left open.
fn keep_leading_mass(
    candidates: &mut Vec<Candidate>,
    target: f64,
    compare: impl Fn(&Candidate, &Candidate) -> Ordering,
) {
    const SORTED_AT_ONCE: usize = 64;
    let (mut low, mut high) = (0, candidates.len());
    let mut before = 0.0;
    while high - low > SORTED_AT_ONCE {
        let Some(part) = candidates.get_mut(low..high) else {
            return;
        };
        let half = part.len() / 2;
        part.select_nth_unstable_by(half, &compare);
        let (lower, _) = part.split_at(half);
        let mass = sum(lower);
        if before + mass >= target {
            high = low + half;
        } else {
            before += mass;
            low += half;
        }
    }
    let Some(part) = candidates.get_mut(low..high) else {
        return;
    };
    part.sort_unstable_by(&compare);
    let mut kept = low;
    for candidate in part.iter() {
        kept += 1;
        before += f64::from(candidate.weight);
        if before >= target {
            break;
        }
    }
    candidates.truncate(kept.max(1));
}

#[cfg(test)]
mod tests;
