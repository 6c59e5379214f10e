//! What the engine has read outlives it: see [`PromptCache`](super::super::PromptCache).

use super::Worker;
use crate::engine::submission::Command;
use crate::kv::saved::{self, Identity};
use std::io;
use std::path::Path;
use std::sync::mpsc::{RecvError, RecvTimeoutError};

impl Worker {
    /// Takes over what an engine before this one has read. Never fails: what cannot be used is
    /// read again.
    pub(super) fn load_texts(&mut self) {
        let Some((file, identity)) = self.place_of_texts() else {
            return;
        };
        let Self {
            forward, scheduler, ..
        } = self;
        let mut texts = Vec::new();
        let room = scheduler.blocks_available();
        let outcome = saved::load(&file, &identity, room, |key, bytes| {
            if let Some(block) = scheduler.blank_block() {
                forward.write_block(block, bytes);
                texts.push((key, block));
            }
        });
        match outcome {
            Ok(blocks) => {
                scheduler.keep(&texts);
                tracing::info!(blocks, "took over prompts that were read before");
            }
            Err(error) => {
                scheduler.give_back(&texts);
                tracing::warn!(
                    path = %file.display(),
                    error = &error as &dyn std::error::Error,
                    "the saved prompts are not used; they will be read again"
                );
            }
        }
        self.saved = self.scheduler.texts_published();
    }

    /// Writes down what was read; gives up when something is asked meanwhile, if it
    /// `may_be_disturbed`.
    pub(super) fn save_texts(&mut self, may_be_disturbed: bool) {
        let published = self.scheduler.texts_published();
        if published == self.saved {
            return;
        }
        let Some((file, identity)) = self.place_of_texts() else {
            return;
        };
        let most_bytes = self
            .prompt_cache
            .as_ref()
            .map_or(0, |cache| cache.most_bytes);
        let texts = self.scheduler.kept_texts();
        let most = usize::try_from(most_bytes / identity.entry_bytes()).unwrap_or(usize::MAX);
        // Those used last; of each text, its beginning was.
        let texts = &texts[texts.len().saturating_sub(most)..];
        let Self {
            forward,
            commands,
            pending,
            ..
        } = self;
        let outcome = saved::save(&file, &identity, texts, |block, bytes| {
            if may_be_disturbed && let Ok(command) = commands.try_recv() {
                *pending = Some(command);
                return Err(io::ErrorKind::Interrupted.into());
            }
            forward.read_block(block, bytes);
            Ok(())
        });
        match outcome {
            Ok(()) => {
                self.saved = published;
                tracing::debug!(blocks = texts.len(), "saved the prompts that were read");
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => tracing::warn!(
                path = %file.display(),
                error = &error as &dyn std::error::Error,
                "the prompts that were read are not saved"
            ),
        }
    }

    /// Waits for something to do, and saves what was read if it takes long.
    pub(super) fn wait(&mut self) -> Result<Command, RecvError> {
        let has_news = self.scheduler.texts_published() != self.saved;
        if let Some(cache) = self.prompt_cache.as_ref().filter(|_| has_news) {
            match self.commands.recv_timeout(cache.rest) {
                Ok(command) => return Ok(command),
                Err(RecvTimeoutError::Disconnected) => return Err(RecvError),
                Err(RecvTimeoutError::Timeout) => self.save_texts(true),
            }
        }
        match self.pending.take() {
            Some(command) => Ok(command),
            None => self.commands.recv(),
        }
    }

    /// The file, and what it must hold; `None` where nothing is kept.
    fn place_of_texts(&self) -> Option<(Box<Path>, Identity)> {
        let cache = self.prompt_cache.as_ref()?;
        let Some(layout) = self.forward.block_layout().filter(|_| self.shares_texts) else {
            tracing::warn!("prompts cannot be saved on this device or with these settings");
            return None;
        };
        let model = cache.model;
        Some((cache.file.as_path().into(), Identity { model, layout }))
    }
}
