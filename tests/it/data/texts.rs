//! Texts as tokens, and back.

use pullback::data::{
    DataError, Source,
    text::{self, Bytes, Characters, Tokenizer},
};

use super::readers::Directory;

/// Letters of one to four bytes, ends of lines of both kinds, and a zero.
const TEXT: &str = "Im Anfang\r\nwar\tdas Wört, 言葉 🙂\0\n\nλόγος";

#[test]
fn what_is_encoded_is_decoded_as_it_was() {
    let vocabulary = Characters::of(TEXT);
    let tokenizers: [&dyn Tokenizer; 2] = [&vocabulary, &Bytes];
    for tokenizer in tokenizers {
        for end in (0..=TEXT.len()).filter(|end| TEXT.is_char_boundary(*end)) {
            let tokens = tokenizer.encode(&TEXT[..end]).unwrap();
            assert!(tokens.iter().all(|token| (0..tokenizer.n_tokens() as i64).contains(token)));
            assert_eq!(tokenizer.decode(&tokens).unwrap(), TEXT[..end]);
        }
        for odd in [-1, tokenizer.n_tokens() as i64, i64::MAX, i64::MIN] {
            let error = tokenizer.decode(&[0, odd]).unwrap_err();
            assert!(matches!(error, DataError::UnknownToken { position: 1, .. }), "{error}");
        }
    }
    // In the order of code points.
    assert_eq!(Characters::of("cab").encode("abc").unwrap(), [0, 1, 2]);
    assert_eq!(Bytes.decode(&[0xc3]).unwrap(), "\u{fffd}");
}

#[test]
fn a_vocabulary_is_kept_as_a_text() {
    for text in ["", "a", TEXT] {
        let vocabulary = Characters::of(text);
        assert_eq!(Characters::from_text(&vocabulary.to_text()), vocabulary);
        let json = serde_json::to_string(&vocabulary).unwrap();
        assert_eq!(serde_json::from_str::<Characters>(&json).unwrap(), vocabulary);
    }
    assert_eq!(Characters::from_text("abab").n_tokens(), 2);
}

#[test]
fn a_file_of_text_becomes_tokens_or_lines() {
    let directory = Directory::new("text");
    let path = directory.write("text", TEXT.as_bytes());
    let read = text::read(&path).unwrap();
    assert_eq!(read, TEXT);
    let vocabulary = Characters::of(&read);
    let tokens = text::tokens(&read, &vocabulary).unwrap();
    assert_eq!(tokens.n_examples(), Some(TEXT.chars().count()));
    let lines = text::lines(&read, &vocabulary, -1).unwrap();
    let expected = ["Im Anfang", "war\tdas Wört, 言葉 🙂\0", "λόγος"];
    assert_eq!(lines.len(), 3);
    for (row, line) in expected.iter().enumerate() {
        let batch = lines.batch(&[row], 0).unwrap();
        assert_eq!(batch["token"].shape(), [1, line.chars().count()]);
        let tokens: Vec<i64> = batch["token"].array::<i64>().unwrap().iter().copied().collect();
        assert_eq!(vocabulary.decode(&tokens).unwrap(), *line);
    }
    let few = Characters::of("Im Anfang wr\tdsW");
    let error = text::lines(&read, &few, 0).unwrap_err().to_string();
    assert_eq!(error, "byte 20: the character 'ö' is not in the vocabulary");
    let cut = directory.write("cut", &TEXT.as_bytes()[..21]);
    let error = text::read(&cut).unwrap_err().to_string();
    assert_eq!(error, format!("{}, byte 20: this byte and those after it are no UTF-8", cut.display()));
    assert!(matches!(text::read("/nowhere"), Err(DataError::Open { .. })));
}
