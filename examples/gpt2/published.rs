//! The layout in which GPT-2 was published. In: a folder. Out: sizes of the model, and its weights.

use std::{error::Error, fs, path::Path};

use pullback::{
    Parameters,
    io::{IoError, WeightReport, Weights},
};
use serde_json::Value;

use super::model::Sizes;

/// What other models of this family do otherwise, and what ours does: what is not there is as it was published.
const AS_PUBLISHED: [(&str, &str); 6] = [
    ("activation_function", r#""gelu_new""#),
    ("layer_norm_epsilon", "1e-5"),
    ("n_inner", "null"),
    ("scale_attn_weights", "true"),
    ("scale_attn_by_inverse_layer_idx", "false"),
    ("tie_word_embeddings", "true"),
];

/// The sizes in `config.json`.
///
/// # Errors
/// It cannot be read, lacks a size, or is of a model that is built otherwise.
pub(crate) fn sizes(folder: &Path) -> Result<Sizes, Box<dyn Error>> {
    let file = folder.join("config.json");
    let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let config: Value = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    for (name, published) in AS_PUBLISHED {
        let published: Value = serde_json::from_str(published)?;
        let found = config.get(name).unwrap_or(&published);
        if *found != published {
            return Err(format!("{}: {name} is {found}, this model has {published}", file.display()).into());
        }
    }
    let size = |name: &str| {
        let size = config.get(name).and_then(Value::as_u64).and_then(|size| usize::try_from(size).ok());
        size.ok_or_else(|| format!("{}: there is no size {name}", file.display()))
    };
    let [tokens, context] = [size("vocab_size")?, size("n_positions")?];
    Ok(Sizes { tokens, context, width: size("n_embd")?, heads: size("n_head")?, blocks: size("n_layer")? })
}

/// Names there, behind an optional prefix, and here. Its maps are x·W with the weights as they lie, as ours are, and its packed
/// weight of attention has queries before keys before values, as ours has.
const NAMES: [(&str, &str); 12] = [
    ("wte.weight", "words.weight"),
    ("wpe.weight", "positions.weight"),
    ("h.*.ln_1.weight", "block.*.norm1.gain"),
    ("h.*.ln_1.bias", "block.*.norm1.bias"),
    ("h.*.attn.c_attn.*", "block.*.attention.in.*"),
    ("h.*.attn.c_proj.*", "block.*.attention.out.*"),
    ("h.*.ln_2.weight", "block.*.norm2.gain"),
    ("h.*.ln_2.bias", "block.*.norm2.bias"),
    ("h.*.mlp.c_fc.*", "block.*.feed_forward.hidden.*"),
    ("h.*.mlp.c_proj.*", "block.*.feed_forward.out.*"),
    ("ln_f.weight", "norm.gain"),
    ("ln_f.bias", "norm.bias"),
];

/// What some files have and the model does not: masks that are no weights, and the last layer, which is the table of words.
const NO_WEIGHTS: [&str; 3] = [".attn.bias", ".attn.masked_bias", "lm_head.weight"];

/// Reads the weights.
///
/// # Errors
/// A file cannot be read, or holds another model.
pub(crate) fn load(folder: &Path, parameters: &mut Parameters) -> Result<WeightReport, IoError> {
    let index = folder.join("model.safetensors.index.json");
    let path = if index.exists() { index } else { folder.join("model.safetensors") };
    let mut weights = Weights::open(path)?;
    let has = |weights: &Weights, is: &dyn Fn(&str) -> bool| weights.arrays().any(|(name, ..)| is(name));
    let prefix = if has(&weights, &|name| name.starts_with("transformer.")) { "transformer." } else { "" };
    for (theirs, ours) in NAMES {
        weights = weights.rename(format!("{prefix}{theirs}"), ours);
    }
    for end in NO_WEIGHTS {
        if has(&weights, &|name| name.ends_with(end)) {
            weights = weights.ignore(format!("*{end}"));
        }
    }
    weights.load_into(parameters)
}
