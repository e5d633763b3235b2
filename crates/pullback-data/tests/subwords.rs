//! Subword tokenizers: learned, written, read, and what is an error.
#![cfg(feature = "tokenizers")]

use std::{collections::BTreeMap, fs};

use pullback::data::{
    DataError,
    text::{self, Tokenizer},
};
use pullback_data::Subwords;

const TEXT: &str = "low lower lowest\nnew newer newest\nwide wider widest\n";

#[test]
fn text_of_any_bytes_comes_back() -> Result<(), DataError> {
    let tokenizer = Subwords::train(&TEXT.repeat(10), 300)?;
    assert!(tokenizer.n_tokens() <= 300 && tokenizer.n_tokens() > 256, "{tokenizer:?}");
    for text in ["", "low", "newest lowest", " two  spaces\n\ttab ", "Ünïcode 漢字 🦀", "\0\u{7f}", "don't 12345 x==y"]
    {
        let tokens = tokenizer.encode(text)?;
        assert!(tokens.iter().all(|token| (0..tokenizer.n_tokens() as i64).contains(token)));
        assert_eq!(tokenizer.decode(&tokens)?, text);
    }
    Ok(())
}

#[test]
fn frequent_pairs_are_joined_first() -> Result<(), DataError> {
    // "ab" is there four times, "cd" three: with one token more than the bytes it is "ab".
    let tokenizer = Subwords::train("abxabyabzabcdxcdycd", 257)?;
    assert_eq!(tokenizer.n_tokens(), 257);
    assert_eq!(tokenizer.encode("ab")?.len(), 1);
    assert_eq!(tokenizer.encode("cd")?.len(), 2);
    assert_eq!(tokenizer.token("ab"), Some(256));
    assert_eq!(tokenizer.token("cd"), None);
    Ok(())
}

#[test]
fn the_same_text_gives_the_same_tokenizer_and_files_keep_it() -> Result<(), DataError> {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("tokenizer.json");
    let [one, two] = [0, 1].map(|_| Subwords::train(&TEXT.repeat(5), 290));
    let (one, two) = (one?, two?);
    one.save(&path)?;
    let read = Subwords::open(&path)?;
    let sentence = "the newest and the lowest";
    let tokens = one.encode(sentence)?;
    assert_eq!(tokens, two.encode(sentence)?);
    assert_eq!(tokens, read.encode(sentence)?);
    assert_eq!(read.n_tokens(), one.n_tokens());
    Ok(())
}

/// The layout of GPT-2's files, of a small vocabulary: bytes as the characters that stand for them, then what is merged. The tokens
/// that are expected follow from the merges by hand.
#[test]
fn the_files_of_gpt2_are_read() -> Result<(), DataError> {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let [vocabulary, merges] = ["vocab.json", "merges.txt"].map(|name| folder.path().join(name));
    let words = ["h", "e", "l", "o", "Ġ", "he", "ll", "hell", "hello", "Ġhe", "<|endoftext|>"];
    let numbers: BTreeMap<&str, usize> = words.iter().enumerate().map(|(number, word)| (*word, number)).collect();
    fs::write(&vocabulary, serde_json::to_string(&numbers).expect("strings and numbers")).expect("writable");
    fs::write(&merges, "#version: 0.2\nh e\nl l\nhe ll\nhell o\nĠ he\n").expect("writable");
    let tokenizer = Subwords::gpt2(&vocabulary, &merges)?;
    assert_eq!(tokenizer.n_tokens(), 11);
    assert_eq!(tokenizer.encode("hello he hell")?, [8, 9, 4, 7]);
    assert_eq!(tokenizer.decode(&[8, 9, 4, 7])?, "hello he hell");
    assert_eq!(tokenizer.token("<|endoftext|>"), Some(10));
    let error = tokenizer.decode(&[8, 11]).expect_err("no token");
    assert_eq!(error.to_string(), "position 1: 11 is no token, of which there are 11");
    let error = tokenizer.decode(&[-1]).expect_err("no token");
    assert_eq!(error.to_string(), "position 0: -1 is no token, of which there are 11");
    Ok(())
}

#[test]
fn files_that_are_no_tokenizer_are_errors_with_their_name() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("tokenizer.json");
    for content in ["", "{", "{}", "[1, 2]"] {
        fs::write(&path, content).expect("writable");
        let error = Subwords::open(&path).expect_err("refused").to_string();
        assert!(error.contains("tokenizer.json"), "{error}");
        assert!(Subwords::gpt2(&path, &path).is_err());
    }
    assert!(Subwords::open(folder.path().join("absent.json")).is_err());
}

#[test]
fn windows_are_cut_of_subwords_as_of_characters() -> Result<(), DataError> {
    let text = TEXT.repeat(10);
    let tokenizer = Subwords::train(&text, 280)?;
    let windows = pullback::data::Windows::new(text::tokens(&text, &tokenizer)?, "token", 8)?;
    let batch = pullback::data::Source::batch(&windows, &[0, 3], 0)?;
    assert_eq!(batch.len(), 2);
    Ok(())
}
