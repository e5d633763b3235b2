//! Texts as tokens. In: a text or a file of one, and a tokenizer. Out: numbers, a dataset of them, and texts again. Bytes and
//! characters; tokenizers of words or parts of them implement [`Tokenizer`].

mod tokenizer;

use std::{fs, io::Read, path::Path};

pub use tokenizer::{Bytes, Characters, Tokenizer};

use super::{DataError, Dataset, ListPadding, Place, Stream};

/// The text in a file, which must be UTF-8.
///
/// # Errors
/// It cannot be opened or read, or a byte is no UTF-8: with the file and the byte.
pub fn read(path: impl AsRef<Path>) -> Result<String, DataError> {
    let file = path.as_ref().display().to_string();
    let mut opened = fs::File::open(path).map_err(|source| DataError::Open { file: file.clone(), source })?;
    let place = |offset: usize| Place { file: file.clone(), offset: offset as u64, stream: Stream::Plain };
    let mut bytes = Vec::new();
    if let Err(source) = opened.read_to_end(&mut bytes) {
        return Err(DataError::Unreadable { place: place(bytes.len()), source });
    }
    String::from_utf8(bytes).map_err(|error| DataError::NotText { place: place(error.utf8_error().valid_up_to()) })
}

/// All tokens of a text, one an example, as the column `token`: for [`Windows`](super::Windows).
///
/// # Shapes
/// `token`: `i64[n]`
///
/// # Errors
/// As for [`Tokenizer::encode`].
///
/// # Example
/// ```
/// use pullback::data::{Windows, text::{self, Characters}};
/// let verse = "In the beginning God created the heaven and the earth.";
/// let vocabulary = Characters::of(verse);
/// let windows = Windows::new(text::tokens(verse, &vocabulary)?, "token", 16)?;
/// # Ok::<(), pullback::data::DataError>(())
/// ```
pub fn tokens(text: &str, tokenizer: &(impl Tokenizer + ?Sized)) -> Result<Dataset, DataError> {
    Dataset::new().column("token", tokenizer.encode(text)?)
}

/// The lines of a text, one an example: the tokens of each as the column `token`, padded with `padding` and with their mask
/// `token_mask` beside them. Line ends are left out, and so are empty lines.
///
/// # Shapes
/// `token`: `i64[batch, length]`, `token_mask`: `bool[batch, length]`
///
/// # Errors
/// As for [`Tokenizer::encode`], with the byte of the whole text.
///
/// # Example
/// ```
/// use pullback::data::{Source, text::{self, Bytes}};
/// let lines = text::lines("to be\nor not\n\nto be", &Bytes, 0)?;
/// assert_eq!(lines.batch(&[0, 1], 0)?["token"].shape(), [2, 6]);
/// # Ok::<(), pullback::data::DataError>(())
/// ```
pub fn lines(
    text: &str,
    tokenizer: &(impl Tokenizer + ?Sized),
    padding: impl Into<ListPadding<i64>>,
) -> Result<Dataset, DataError> {
    let (mut lists, mut start) = (Vec::new(), 0);
    for line in text.split_inclusive('\n') {
        let content = line.trim_end_matches(['\n', '\r']);
        if !content.is_empty() {
            lists.push(tokenizer.encode(content).map_err(|error| after(error, start))?);
        }
        start += line.len();
    }
    Dataset::new().lists("token", lists, padding)
}

/// The error of a line that begins at that byte of a text, with its place in the text.
fn after(error: DataError, start: usize) -> DataError {
    match error {
        DataError::UnknownCharacter { character, offset } => {
            DataError::UnknownCharacter { character, offset: start + offset }
        }
        other => other,
    }
}
