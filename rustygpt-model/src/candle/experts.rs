//! Mixtures of experts (Shazeer et al., 2017): a router sends each token through a few of many
//! small feed-forward networks.

use super::buffers::{LayerBuffers, grown};
use super::elementwise::Activation;
use super::expert_weights;
use super::feed_forward::{Gated, phase_of_rows, runs_of};
use super::load::{LoadError, Loader};
use super::operations::{Input, Linear};
use candle_core::Result;

/// The experts of one layer.
pub(crate) struct Experts {
    router: Linear,
    experts: Vec<Gated>,
    /// How many a token goes through.
    used: usize,
    /// Whether the weights of those add up to one.
    normalises: bool,
}

/// A token's way through an expert.
#[derive(Clone, Copy)]
struct Route {
    row: usize,
    weight: f32,
}

impl Experts {
    /// Loads a layer's experts, if it has any.
    pub(crate) fn load(
        loader: &Loader<'_>,
        index: usize,
        activation: Activation,
    ) -> std::result::Result<Option<Self>, LoadError> {
        let name = |part: &str| format!("blk.{index}.{part}");
        let Some(sizes) = loader.sizes.experts else {
            return Ok(None);
        };
        if !loader.has(&name("ffn_gate_inp.weight")) {
            return Ok(None);
        }
        let hidden = loader.sizes.hidden;
        Ok(Some(Self {
            router: loader.linear(&name("ffn_gate_inp"), sizes.count, hidden)?,
            experts: expert_weights::load(loader, index, sizes, activation)?,
            used: sizes.used,
            normalises: sizes.normalises,
        }))
    }

    /// From the normalised residual stream to what is added to it. A token's experts are added in
    /// the order of their numbers, whoever shares the step.
    pub(crate) fn forward(
        &self,
        x: Input<'_>,
        branch: &mut [f32],
        buffers: &mut LayerBuffers,
    ) -> Result<()> {
        let hidden = x.values.len() / x.rows().max(1);
        let routes = self.routes(x)?;
        let phases = phase_of_rows(x.phases);
        branch.fill(0.0);
        let mut memory = std::mem::take(&mut buffers.keys);
        for (expert, routes) in self.experts.iter().zip(&routes) {
            if routes.is_empty() {
                continue;
            }
            let length = routes.len() * hidden;
            let (gathered, product) = grown(&mut memory, 2 * length).split_at_mut(length);
            for (to, route) in gathered.chunks_exact_mut(hidden).zip(routes) {
                to.copy_from_slice(&x.values[route.row * hidden..][..hidden]);
            }
            let phases = runs_of(&phases, routes.iter().map(|route| route.row));
            let input = Input {
                values: gathered,
                phases: &phases,
            };
            expert.forward(input, product, buffers)?;
            for (from, route) in product.chunks_exact(hidden).zip(routes) {
                let to = &mut branch[route.row * hidden..][..hidden];
                for (sum, value) in to.iter_mut().zip(from) {
                    *sum += route.weight * value;
                }
            }
        }
        buffers.keys = memory;
        Ok(())
    }

    /// For each expert the rows that go through it.
    fn routes(&self, x: Input<'_>) -> Result<Vec<Vec<Route>>> {
        let count = self.experts.len();
        let mut scores = vec![0.0; x.rows() * count];
        self.router.forward(x, &mut scores)?;
        let mut routes = vec![Vec::new(); count];
        for (row, scores) in scores.chunks_exact(count).enumerate() {
            let mut order: Vec<usize> = (0..count).collect();
            // Of equal scores the first wins, as in the reference.
            order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
            let largest = scores[order[0]];
            let weight = |expert: usize| (scores[expert] - largest).exp();
            let chosen = &order[..self.used];
            let all = match self.normalises {
                true => chosen,
                false => &order,
            };
            let sum: f32 = all.iter().map(|&expert| weight(expert)).sum();
            for &expert in chosen {
                let weight = weight(expert) / sum;
                routes[expert].push(Route { row, weight });
            }
        }
        Ok(routes)
    }
}
