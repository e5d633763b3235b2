//! What numbers stand for a text. In: a text. Out: numbers, and the text again.

use std::collections::{BTreeSet, HashMap};

use super::super::DataError;

/// Texts as numbers, from 0 to `n_tokens` − 1.
pub trait Tokenizer: Send + Sync {
    /// How many tokens there are: the rows of an embedding.
    fn n_tokens(&self) -> usize;

    /// The tokens of a text.
    ///
    /// # Errors
    /// The text has something that no token stands for.
    fn encode(&self, text: &str) -> Result<Vec<i64>, DataError>;

    /// The text of tokens.
    ///
    /// # Errors
    /// A number is no token, or the tokens make no text.
    fn decode(&self, tokens: &[i64]) -> Result<String, DataError>;
}

/// A token for each of the 256 bytes: any text has tokens, and most letters of other alphabets than the Latin one have two or three.
///
/// # Example
/// ```
/// use pullback::data::text::{Bytes, Tokenizer};
/// assert_eq!(Bytes.encode("né")?, [110, 195, 169]);
/// assert_eq!(Bytes.decode(&[110, 195, 169])?, "né");
/// # Ok::<(), pullback::data::DataError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bytes;

/// A token for each character of a text, in the order of their code points.
///
/// It is written down by [`Characters::to_text`], and (feature `serde`) serialized as that text.
///
/// # Example
/// ```
/// use pullback::data::text::{Characters, Tokenizer};
/// let vocabulary = Characters::of("hello world");
/// assert_eq!(vocabulary.n_tokens(), 8);
/// let tokens = vocabulary.encode("roll")?;
/// assert_eq!(vocabulary.decode(&tokens)?, "roll");
/// let error = vocabulary.encode("hello, world").unwrap_err();
/// assert_eq!(error.to_string(), "byte 5: the character ',' is not in the vocabulary");
/// assert_eq!(Characters::from_text(&vocabulary.to_text()), vocabulary);
/// # Ok::<(), pullback::data::DataError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(from = "String", into = "String"))]
pub struct Characters {
    characters: Vec<char>,
    tokens: HashMap<char, i64>,
}

impl Characters {
    /// The characters of a text.
    pub fn of(text: &str) -> Characters {
        Characters::in_order(text.chars().collect::<BTreeSet<char>>())
    }

    /// The vocabulary as a text: its characters, in the order of their tokens.
    pub fn to_text(&self) -> String {
        self.characters.iter().collect()
    }

    /// The vocabulary of a text that [`Characters::to_text`] gave: its characters in the order in which each is first there.
    pub fn from_text(text: &str) -> Characters {
        Characters::in_order(text.chars())
    }

    fn in_order(all: impl IntoIterator<Item = char>) -> Characters {
        let (mut characters, mut tokens) = (Vec::new(), HashMap::new());
        for character in all {
            tokens.entry(character).or_insert_with(|| {
                characters.push(character);
                characters.len() as i64 - 1
            });
        }
        Characters { characters, tokens }
    }
}

impl From<String> for Characters {
    fn from(text: String) -> Characters {
        Characters::from_text(&text)
    }
}

impl From<Characters> for String {
    fn from(characters: Characters) -> String {
        characters.to_text()
    }
}

impl Tokenizer for Characters {
    fn n_tokens(&self) -> usize {
        self.characters.len()
    }

    fn encode(&self, text: &str) -> Result<Vec<i64>, DataError> {
        let token = |(offset, character): (usize, char)| {
            self.tokens.get(&character).copied().ok_or(DataError::UnknownCharacter { character, offset })
        };
        text.char_indices().map(token).collect()
    }

    fn decode(&self, tokens: &[i64]) -> Result<String, DataError> {
        let character = |token: i64| self.characters.get(usize::try_from(token).ok()?).copied();
        each(tokens, self.n_tokens(), character)
    }
}

impl Tokenizer for Bytes {
    fn n_tokens(&self) -> usize {
        256
    }

    fn encode(&self, text: &str) -> Result<Vec<i64>, DataError> {
        Ok(text.bytes().map(i64::from).collect())
    }

    /// Bytes that make no text, as the first half of a letter, become the replacement character �.
    fn decode(&self, tokens: &[i64]) -> Result<String, DataError> {
        let bytes: Vec<u8> = each(tokens, 256, |token| u8::try_from(token).ok())?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// What each token stands for.
fn each<T, C: FromIterator<T>>(
    tokens: &[i64],
    n_tokens: usize,
    meaning: impl Fn(i64) -> Option<T>,
) -> Result<C, DataError> {
    let known = |(position, token): (usize, &i64)| {
        meaning(*token).ok_or(DataError::UnknownToken { token: *token, position, n_tokens })
    };
    tokens.iter().enumerate().map(known).collect()
}
