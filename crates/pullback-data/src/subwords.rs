//! Tokens that are parts of words. In: the files of a tokenizer, or a text to learn one from. Out: texts as numbers.

use std::path::Path;

use pullback::data::{DataError, text::Tokenizer};
use tokenizers::{
    Tokenizer as Pipeline,
    models::{
        TrainerWrapper,
        bpe::{BPE, BpeTrainer},
    },
    pre_tokenizers::byte_level::ByteLevel,
};

/// A tokenizer of parts of words, of the crate `tokenizers`: byte pair encoding, or whatever a `tokenizer.json` describes.
///
/// No special tokens are added to a text. Those that a `tokenizer.json` has are one token where they stand in a text; the files of
/// GPT-2 have none, so `<|endoftext|>` in a text is taken as letters, and [`Subwords::token`] gives its number.
///
/// # Source
/// Sennrich, Haddow and Birch, *Neural machine translation of rare words with subword units*, 2016; on bytes as in Radford et al.,
/// *Language models are unsupervised multitask learners*, 2019.
///
/// # Example
/// ```
/// use pullback::data::text::Tokenizer;
/// use pullback_data::Subwords;
/// let text = "the more the merrier, the more the better. ".repeat(20);
/// let tokenizer = Subwords::train(&text, 270)?;
/// let tokens = tokenizer.encode("the more the better")?;
/// assert!(tokens.len() < 19, "frequent pairs of bytes are one token");
/// assert_eq!(tokenizer.decode(&tokens)?, "the more the better");
/// // Bytes that were not learned from have tokens too.
/// assert_eq!(tokenizer.decode(&tokenizer.encode("Füße ✓")?)?, "Füße ✓");
/// # Ok::<(), pullback::data::DataError>(())
/// ```
#[derive(Clone)]
pub struct Subwords {
    pipeline: Pipeline,
    n_tokens: usize,
}

impl Subwords {
    /// The tokenizer that a `tokenizer.json` describes.
    ///
    /// # Errors
    /// The file cannot be read, or describes none.
    pub fn open(path: impl AsRef<Path>) -> Result<Subwords, DataError> {
        let path = path.as_ref();
        Pipeline::from_file(path)
            .map(Subwords::new)
            .map_err(|error| DataError::other(path.display().to_string(), error))
    }

    /// Byte pair encoding on bytes in the files that GPT-2 is published with: `vocab.json` and `merges.txt`.
    ///
    /// # Errors
    /// A file cannot be read, or is none of these.
    pub fn gpt2(vocabulary: impl AsRef<Path>, merges: impl AsRef<Path>) -> Result<Subwords, DataError> {
        let [vocabulary, merges] = [vocabulary.as_ref(), merges.as_ref()].map(|path| path.display().to_string());
        let read = BPE::from_file(&vocabulary, &merges).build();
        read.map(|bpe| Subwords::new(on_bytes(bpe)))
            .map_err(|error| DataError::other(format!("{vocabulary}, {merges}"), error))
    }

    /// Byte pair encoding on bytes, learned from a text: the 256 bytes, and a token for the pair of tokens that is most frequent next
    /// to each other, until there are `n_tokens` or no pair is there twice.
    ///
    /// # Errors
    /// The tokenizer cannot be learned.
    ///
    /// # Complexity
    /// Linear in the text and in `n_tokens`, nearly.
    pub fn train(text: &str, n_tokens: usize) -> Result<Subwords, DataError> {
        let mut trainer: TrainerWrapper = BpeTrainer::builder()
            .vocab_size(n_tokens)
            .min_frequency(2)
            .show_progress(false)
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .build()
            .into();
        let mut pipeline = on_bytes(BPE::default());
        match pipeline.train(&mut trainer, text.split_inclusive('\n')) {
            Ok(trained) => Ok(Subwords::new(trained.clone().into())),
            Err(error) => Err(DataError::other("the tokenizer cannot be learned", error)),
        }
    }

    /// Writes the tokenizer as a `tokenizer.json`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), DataError> {
        let path = path.as_ref();
        let saved = self.pipeline.save(path, false);
        saved.map_err(|error| DataError::other(path.display().to_string(), error))
    }

    /// The number of a token, as of `<|endoftext|>`.
    pub fn token(&self, text: &str) -> Option<i64> {
        self.pipeline.token_to_id(text).map(i64::from)
    }

    fn new(pipeline: Pipeline) -> Subwords {
        // Numbers may have gaps, and an embedding has a row for each.
        let greatest = pipeline.get_vocab(true).into_values().max();
        Subwords { n_tokens: greatest.map_or(0, |number| number as usize + 1), pipeline }
    }
}

fn on_bytes(bpe: BPE) -> Pipeline {
    let mut pipeline = Pipeline::new(bpe);
    let bytes = ByteLevel::default().add_prefix_space(false);
    pipeline.with_pre_tokenizer(Some(bytes)).with_decoder(Some(bytes));
    pipeline
}

impl Tokenizer for Subwords {
    fn n_tokens(&self) -> usize {
        self.n_tokens
    }

    fn encode(&self, text: &str) -> Result<Vec<i64>, DataError> {
        let encoded = self.pipeline.encode(text, false);
        let encoded = encoded.map_err(|error| DataError::other("the text has no tokens", error))?;
        Ok(encoded.get_ids().iter().map(|id| i64::from(*id)).collect())
    }

    fn decode(&self, tokens: &[i64]) -> Result<String, DataError> {
        let known = |(position, token): (usize, &i64)| match u32::try_from(*token) {
            Ok(id) if self.pipeline.id_to_token(id).is_some() => Ok(id),
            _ => Err(DataError::UnknownToken { token: *token, position, n_tokens: self.n_tokens }),
        };
        let ids = tokens.iter().enumerate().map(known).collect::<Result<Vec<u32>, DataError>>()?;
        self.pipeline.decode(&ids, false).map_err(|error| DataError::other("the tokens make no text", error))
    }
}

impl std::fmt::Debug for Subwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Subwords({} tokens)", self.n_tokens)
    }
}
