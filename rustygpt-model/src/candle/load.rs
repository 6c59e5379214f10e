//! From a proved model file to tensors.

use super::CacheType;
use super::batch::Batch;
use super::cache::PagedCache;
use super::device::{CacheLayout, ComputeDevice, Placement};
use super::families::{self, LanguageFamily};
use super::footprint::CachePlan;
use super::hyperparameters::Hyperparameters;
use super::layer_norm::LayerNorm;
pub(crate) use super::load_error::LoadError;
use super::names::{self, Names};
use super::norm::{Norm, RmsNorm};
use super::operations::{Linear, Matrix, Projections};
use super::progress::Progress;
use crate::contract::{
    BlockId, BlockLayout, Forward, ForwardError, Geometry, Logits, ModelError, StepPlan,
};
use crate::registry::available_memory;
use crate::weights::{ElementType, ModelFiles, Source, TensorInfo};
use candle_core::{DType, Device, Tensor};
use std::borrow::Cow;
use std::cell::Cell;

/// How a model is to be loaded.
#[derive(Clone, Copy, Debug)]
pub struct LoadOptions {
    /// Positions a request may have; `None` takes what the model was trained for, or as many as
    /// fit into `cache_bytes`.
    pub context_length: Option<usize>,
    /// Sequences that may run at once: the cache is no larger than they can fill.
    pub slots: usize,
    /// Bytes for keys and values of all sequences together.
    pub cache_bytes: u64,
    /// Element type of the cache.
    pub cache_type: CacheType,
    /// Positions per block of the cache.
    pub block_size: usize,
    /// Where to compute.
    pub device: ComputeDevice,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            context_length: None,
            slots: 4,
            cache_bytes: 2 << 30,
            cache_type: CacheType::default(),
            block_size: 32,
            device: ComputeDevice::Processor,
        }
    }
}

/// A loaded model: its weights and its cache.
pub struct CandleModel {
    family: Box<dyn LanguageFamily>,
    cache: PagedCache,
    /// Whether something is kept with a block beside its keys and values.
    keeps_more_than_blocks: bool,
    geometry: Geometry,
    weight_bytes: u64,
    cache_bytes: u64,
}

impl std::fmt::Debug for CandleModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CandleModel")
            .field("geometry", &self.geometry)
            .finish_non_exhaustive()
    }
}

impl CandleModel {
    /// Bytes of the weights as the kernels read them.
    #[must_use]
    pub fn weight_bytes(&self) -> u64 {
        self.weight_bytes
    }

    /// Bytes reserved for the cache.
    #[must_use]
    pub fn cache_bytes(&self) -> u64 {
        self.cache_bytes
    }
}

impl Forward for CandleModel {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn forward(&mut self, plan: &StepPlan) -> Result<Logits, ForwardError> {
        let batch = Batch::new(plan, self.geometry)?;
        let vocabulary = self.geometry.vocabulary;
        if batch.ids.is_empty() {
            return Ok(Logits {
                values: Vec::new(),
                vocabulary,
            });
        }
        let device = |error: candle_core::Error| ForwardError::Device(Box::new(error));
        let values = self
            .family
            .logits(&batch, &mut self.cache)
            .map_err(device)?;
        Ok(Logits { values, vocabulary })
    }

    fn block_layout(&self) -> Option<BlockLayout> {
        match self.keeps_more_than_blocks {
            true => None,
            false => self.cache.block_layout(),
        }
    }

    fn read_block(&self, block: BlockId, bytes: &mut Vec<u8>) {
        self.cache.read_block(block.0 as usize, bytes);
    }

    fn write_block(&mut self, block: BlockId, bytes: &[u8]) {
        self.cache.write_block(block.0 as usize, bytes);
    }
}

/// Loads a model into memory. The file is not needed any more afterwards.
///
/// # Errors
/// [`ModelError`] naming the file and what is wrong with it, or what does not fit.
pub fn load(files: &ModelFiles, options: &LoadOptions) -> Result<CandleModel, ModelError> {
    let path = files.path();
    let model = load_checked(files, options).map_err(|error| error.at(path))?;
    if !files.is_intact() {
        return Err(ModelError::InvalidFile {
            path: path.to_path_buf(),
            reason: "the file was truncated while it was read; copy it again".to_owned(),
        });
    }
    Ok(model)
}

fn load_checked(files: &ModelFiles, options: &LoadOptions) -> Result<CandleModel, LoadError> {
    if families::has_no_head(architecture(files)?) {
        return Err(LoadError::Unsupported(
            "a decoder without the head that answers".to_owned(),
        ));
    }
    let (mut loader, family) = Loader::of_language_model(files)?;
    let sizes = &loader.sizes;
    let plan = CachePlan::new(sizes, options);
    let (wanted, shape) = (plan.wanted, plan.shape);
    if wanted > sizes.context_length {
        tracing::warn!(
            wanted,
            trained = sizes.context_length,
            "the context is longer than the model was trained for"
        );
    }
    let block_count = plan.blocks_within(options.cache_bytes);
    let context_length = wanted.min(block_count * options.block_size);
    if block_count == 0
        || options
            .context_length
            .is_some_and(|asked| context_length < asked)
    {
        return Err(LoadError::Files(ModelError::OutOfMemory {
            what: format!("the key/value cache for {wanted} positions"),
            needed_bytes: plan.bytes(plan.blocks_of(wanted)),
            available_bytes: options.cache_bytes,
        }));
    }
    let layout = CacheLayout {
        layers: sizes.attending_layers(),
        shape,
        block_count,
        cache_type: options.cache_type,
    };
    if options.device != ComputeDevice::Processor {
        loader.placement = Some(Placement {
            device: options.device.open()?,
            cache: layout,
        });
    }
    // A device keeps its own.
    let blocks_here = match loader.placement {
        None => block_count,
        Some(_) => 0,
    };
    let cache = PagedCache::new(layout.layers, shape, blocks_here, options.cache_type);
    let family = (family.load)(&loader)?;
    let geometry = Geometry {
        vocabulary: family.vocabulary(),
        context_length,
        block_size: shape.block_size,
        block_count,
        long_text: family.long_text(),
        // Layers with a window keep all positions too: nothing is computed from what is not there;
        // and convolutions keep with each block what they need behind it.
        shares_blocks: true,
        // Our own kernels are; the tensor library chooses its own by the number of rows.
        is_exact: options.device == ComputeDevice::Processor,
    };
    Ok(CandleModel {
        family,
        cache,
        keeps_more_than_blocks: loader.sizes.convolution_bytes() > 0,
        geometry,
        weight_bytes: loader.packed_bytes.get(),
        cache_bytes: plan.bytes(block_count),
    })
}

/// The architecture's name in the file.
pub(crate) fn architecture(files: &ModelFiles) -> Result<&str, LoadError> {
    let (name, key) = match files.source() {
        Source::Gguf(metadata) => (
            metadata.string("general.architecture"),
            "the metadata lacks general.architecture",
        ),
        Source::HuggingFace(directory) => (
            directory
                .config
                .get("architectures")
                .and_then(|names| names.get(0))
                .and_then(|name| name.as_str()),
            "config.json lacks architectures",
        ),
    };
    name.ok_or_else(|| LoadError::Invalid(key.to_owned()))
}

/// Finds tensors by llama.cpp's names, whichever kind of file they come from.
pub(crate) struct Loader<'a> {
    files: &'a ModelFiles,
    /// Hugging Face's names, with the prefix that they have in these files.
    names: Option<(Names, &'static str)>,
    /// What a GGUF file of this architecture calls otherwise than most do.
    gguf_names: &'static [(&'static str, &'static str)],
    /// Whether Hugging Face's files store normalisation weights less one.
    norms_add_one: bool,
    progress: Progress,
    /// Bytes of all weights so far, as the kernels read them.
    packed_bytes: Cell<u64>,
    /// The sizes read from the file.
    pub(crate) sizes: Hyperparameters,
    /// Where the model goes; `None` is the processor, by our own kernels.
    pub(crate) placement: Option<Placement>,
}

impl<'a> Loader<'a> {
    /// Reads the sizes of a language model.
    pub(crate) fn of_language_model(
        files: &'a ModelFiles,
    ) -> Result<(Self, &'static families::Family), LoadError> {
        let name = architecture(files)?;
        let unsupported = || LoadError::Unsupported(format!("architecture '{name}'"));
        let (family, sizes) = match files.source() {
            Source::Gguf(metadata) => (
                families::by_gguf_name(name).ok_or_else(unsupported)?,
                Hyperparameters::from_gguf(metadata, name)?,
            ),
            Source::HuggingFace(directory) => (
                families::by_huggingface_name(name).ok_or_else(unsupported)?,
                Hyperparameters::from_huggingface(&directory.config)?,
            ),
        };
        let mut loader = Self::new(files, Names::Decoder(family.huggingface_tensors), sizes);
        loader.gguf_names = family.gguf_tensors;
        loader.norms_add_one = loader.is_huggingface() && family.huggingface_norms_add_one;
        Ok((loader, family))
    }

    /// Finds tensors by `names` where they are not llama.cpp's.
    pub(crate) fn new(files: &'a ModelFiles, names: Names, sizes: Hyperparameters) -> Self {
        let embeddings = names.huggingface("token_embd.weight");
        let prefix = names
            .prefixes()
            .iter()
            .find(|prefix| files.tensor(&format!("{prefix}{embeddings}")).is_some())
            .unwrap_or(&names.prefixes()[0]);
        let is_huggingface = matches!(files.source(), Source::HuggingFace(_));
        Self {
            files,
            names: is_huggingface.then_some((names, prefix)),
            gguf_names: &[],
            norms_add_one: false,
            progress: Progress::new(files.weight_bytes()),
            packed_bytes: Cell::new(0),
            sizes,
            placement: None,
        }
    }

    /// Where the model came from.
    pub(crate) fn source(&self) -> &'a Source {
        self.files.source()
    }

    /// Under which name a file that stacks gate and up keeps them: Phi-3's, in GGUF under that of
    /// `up`.
    pub(crate) fn stacked_gate_up(&self) -> &'static str {
        match self.is_huggingface() {
            true => "ffn_gate_up",
            false => "ffn_up",
        }
    }

    /// Whether the tensors have Hugging Face's names and layout.
    pub(crate) fn is_huggingface(&self) -> bool {
        self.names.is_some()
    }

    /// The name of `canonical` in this file.
    fn name<'n>(&self, canonical: &'n str) -> Cow<'n, str> {
        match self.names {
            // The head stands beside the model, not in it.
            Some((names, _)) if canonical.starts_with("output.") => {
                Cow::Owned(names.huggingface(canonical))
            }
            Some((names, prefix)) => {
                Cow::Owned(format!("{prefix}{}", names.huggingface(canonical)))
            }
            None => names::gguf(canonical, self.gguf_names),
        }
    }

    fn find(&self, canonical: &str) -> Option<&'a TensorInfo> {
        self.files.tensor(&self.name(canonical))
    }

    pub(super) fn require(
        &self,
        canonical: &str,
        shape: &[usize],
    ) -> Result<&'a TensorInfo, LoadError> {
        let info = self.find(canonical).ok_or_else(|| {
            LoadError::Invalid(format!("the tensor {} is missing", self.name(canonical)))
        })?;
        if info.shape != shape {
            return Err(LoadError::Invalid(format!(
                "the tensor {} has shape {:?} instead of {shape:?}",
                info.name, info.shape
            )));
        }
        Ok(info)
    }

    /// The vocabulary: rows of the embedding.
    pub(crate) fn vocabulary(&self) -> Result<usize, LoadError> {
        let info = self.find("token_embd.weight").ok_or_else(|| {
            LoadError::Invalid(
                "the file has no embeddings: it is a vocabulary or an adapter, not a model"
                    .to_owned(),
            )
        })?;
        match info.shape.as_slice() {
            [rows, width] if *rows > 0 && *width == self.sizes.hidden => Ok(*rows),
            other => Err(LoadError::Invalid(format!("embeddings of shape {other:?}"))),
        }
    }

    /// Whether the file has a tensor.
    pub(crate) fn has(&self, canonical: &str) -> bool {
        self.find(canonical).is_some()
    }

    /// The size of a matrix along one axis.
    pub(crate) fn extent(&self, canonical: &str, axis: usize) -> Result<usize, LoadError> {
        self.find(canonical)
            .and_then(|info| info.shape.get(axis))
            .copied()
            .ok_or_else(|| {
                LoadError::Invalid(format!("the tensor {} is missing", self.name(canonical)))
            })
    }

    /// A matrix of `outputs × inputs`.
    pub(crate) fn matrix(
        &self,
        canonical: &str,
        outputs: usize,
        inputs: usize,
    ) -> Result<Matrix, LoadError> {
        let info = self.require(canonical, &[outputs, inputs])?;
        let (name, element_type) = (&info.name, info.element_type);
        let matrix = self.weights(name, element_type, self.bytes(info)?, outputs, inputs)?;
        self.done(info);
        Ok(matrix)
    }

    /// The bytes of a tensor.
    pub(super) fn bytes(&self, info: &TensorInfo) -> Result<&'a [u8], LoadError> {
        Ok(self.files.bytes(info)?)
    }

    /// The weights of a tensor were packed.
    pub(super) fn done(&self, info: &TensorInfo) {
        // All tensors' pages of the file beside the packed weights would be twice the memory.
        self.files.release(info);
        self.progress.add(info.byte_length);
    }

    /// The element type and the bytes of a matrix of `outputs × inputs`.
    pub(crate) fn matrix_bytes(
        &self,
        canonical: &str,
        outputs: usize,
        inputs: usize,
    ) -> Result<(ElementType, &'a [u8]), LoadError> {
        let info = self.require(canonical, &[outputs, inputs])?;
        Ok((info.element_type, self.files.bytes(info)?))
    }

    /// A matrix from the bytes of a tensor, or of a part of it.
    pub(super) fn weights(
        &self,
        name: &str,
        element_type: ElementType,
        bytes: &[u8],
        outputs: usize,
        inputs: usize,
    ) -> Result<Matrix, LoadError> {
        let packed = Matrix::pack(element_type, bytes, outputs, inputs).map_err(|_| {
            LoadError::Files(ModelError::OutOfMemory {
                what: format!("the tensor {name}"),
                needed_bytes: bytes.len() as u64,
                available_bytes: available_memory().unwrap_or(0),
            })
        })?;
        let matrix = packed.ok_or_else(|| {
            let kind = element_type.name();
            LoadError::Unsupported(format!("{name}: element type {kind}"))
        })?;
        self.count(matrix.bytes());
        Ok(matrix)
    }

    fn count(&self, bytes: usize) {
        let sum = self.packed_bytes.get().saturating_add(bytes as u64);
        self.packed_bytes.set(sum);
    }

    /// A vector of `length` values as `f32`.
    pub(crate) fn vector(&self, canonical: &str, length: usize) -> Result<Vec<f32>, LoadError> {
        self.numbers(canonical, &[length])
    }

    /// The kernels of a convolution that leaves channels apart, `channels × length` values.
    pub(crate) fn channels(
        &self,
        canonical: &str,
        channels: usize,
        length: usize,
    ) -> Result<Vec<f32>, LoadError> {
        match self.is_huggingface() {
            true => self.numbers(canonical, &[channels, 1, length]),
            false => self.numbers(canonical, &[channels, length]),
        }
    }

    /// All numbers of a tensor as `f32`, in the order of the file.
    pub(super) fn numbers(&self, canonical: &str, shape: &[usize]) -> Result<Vec<f32>, LoadError> {
        let info = self.require(canonical, shape)?;
        let bytes = self.bytes(info)?;
        let dtype = match info.element_type {
            ElementType::F32 => DType::F32,
            ElementType::F16 => DType::F16,
            ElementType::BF16 => DType::BF16,
            ElementType::F64 => DType::F64,
            other => {
                return Err(LoadError::Unsupported(format!(
                    "{}: numbers of type {}",
                    info.name,
                    other.name()
                )));
            }
        };
        let length = shape.iter().product();
        self.count(length * size_of::<f32>());
        let tensor = Tensor::from_raw_buffer(bytes, dtype, &[length], &Device::Cpu)?;
        Ok(tensor.to_dtype(DType::F32)?.to_vec1()?)
    }

    /// A vector that may be absent.
    pub(crate) fn optional_vector(
        &self,
        canonical: &str,
        length: usize,
    ) -> Result<Option<Vec<f32>>, LoadError> {
        self.find(canonical)
            .map(|_| self.vector(canonical, length))
            .transpose()
    }

    /// A linear map; its bias is taken if the file has one.
    pub(crate) fn linear(
        &self,
        stem: &str,
        outputs: usize,
        inputs: usize,
    ) -> Result<Linear, LoadError> {
        let weights = self.matrix(&format!("{stem}.weight"), outputs, inputs)?;
        let bias = self.optional_vector(&format!("{stem}.bias"), outputs)?;
        Ok(Linear { weights, bias })
    }

    /// Whether the file has one matrix for several linear maps of these widths.
    pub(crate) fn is_stacked(&self, stacked: &str, widths: &[usize]) -> bool {
        self.find(&format!("{stacked}.weight"))
            .is_some_and(|info| info.shape.first() == Some(&widths.iter().sum()))
    }

    /// Linear maps of one input: apart under their own stems, or stacked under one.
    pub(crate) fn projections<const N: usize>(
        &self,
        stacked: &str,
        stems: [&str; N],
        widths: [usize; N],
        inputs: usize,
    ) -> Result<Projections<N>, LoadError> {
        if self.is_stacked(stacked, &widths) {
            let linear = self.linear(stacked, widths.iter().sum(), inputs)?;
            return Ok(Projections::Stacked { linear, widths });
        }
        let linears = stems
            .iter()
            .zip(widths)
            .map(|(stem, width)| self.linear(stem, width, inputs))
            .collect::<Result<Vec<_>, _>>()?;
        let linears: [Linear; N] = linears
            .try_into()
            .map_err(|_| LoadError::Invalid("a projection lost a part".to_owned()))?;
        Ok(Projections::Separate(Box::new(linears)))
    }

    /// A normalisation over `width` elements, of the kind that has a bias if the file has one.
    pub(crate) fn norm(&self, stem: &str, width: usize) -> Result<Norm, LoadError> {
        if self.has(&format!("{stem}.bias")) {
            return Ok(Norm::Layer(LayerNorm::load(self, stem, width)?));
        }
        let mut weights = self.vector(&format!("{stem}.weight"), width)?;
        if self.norms_add_one {
            weights.iter_mut().for_each(|weight| *weight += 1.0);
        }
        Ok(Norm::RootMeanSquare(RmsNorm {
            weights: weights.into(),
            epsilon: self.sizes.norm_epsilon,
        }))
    }

    /// A normalisation that may be absent.
    pub(crate) fn optional_norm(
        &self,
        stem: &str,
        width: usize,
    ) -> Result<Option<Norm>, LoadError> {
        self.find(&format!("{stem}.weight"))
            .map(|_| self.norm(stem, width))
            .transpose()
    }
}
