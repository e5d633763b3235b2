//! The text that language models learn. In: a file, or none. Out: its first characters as three parts of windows, or why there is no
//! text.

use std::{error::Error, path::Path, process::Command};

use pullback::data::{
    Dataset, Windows,
    text::{self, Characters, Tokenizer},
};

use super::claim::{Setting, Size};

/// Where the King James Bible is if no other text is asked for.
const PLACE: &str = "target/kjv.txt";
/// What prints it, and how a file of it is made.
const COMMAND: [&str; 3] = ["bible", "-f", "gen1:1-rev22:21"];

/// A text in three parts, which follow one another.
pub(crate) struct Corpus {
    /// What it is, in words.
    pub(crate) name: String,
    /// How many characters all parts have.
    pub(crate) length: usize,
    /// How many different ones there are.
    pub(crate) n_characters: usize,
    /// Of the windows of each part: what is learned, what rates and epochs are chosen by, and what nobody has seen.
    pub(crate) train: Windows<Dataset>,
    pub(crate) development: Windows<Dataset>,
    pub(crate) test: Windows<Dataset>,
    /// The perplexity of the test part for whoever knows how often each character is in the training part, and nothing else.
    pub(crate) by_frequency: f64,
}

impl Corpus {
    /// The first `n` characters of the text, in windows of `length`: eight of ten are learned, and one each are development and test.
    /// None if there is no text; a quick run makes one up.
    pub(crate) fn find(setting: &Setting, n: usize, length: usize) -> Result<Option<Corpus>, Box<dyn Error>> {
        let Some((name, text)) = find_text(setting)? else { return Ok(None) };
        let text: String = text.chars().take(n).collect();
        let vocabulary = Characters::of(&text);
        let tokens = vocabulary.encode(&text)?;
        let n = tokens.len();
        let parts = [&tokens[..n / 10 * 8], &tokens[n / 10 * 8..n / 10 * 9], &tokens[n / 10 * 9..]];
        let by_frequency = by_frequency(parts[0], parts[2], vocabulary.n_tokens());
        let windows = |part: &[i64]| Windows::new(Dataset::new().column("token", part.to_vec())?, "token", length);
        let [train, development, test] = [windows(parts[0])?, windows(parts[1])?, windows(parts[2])?];
        Ok(Some(Corpus {
            name,
            length: n,
            n_characters: vocabulary.n_tokens(),
            train,
            development,
            test,
            by_frequency,
        }))
    }

    /// What to do where there is no text.
    pub(crate) fn help() -> String {
        format!(
            "no text: install Debian's package bible-kjv, or `{} > {PLACE}` elsewhere, or give any other by --text FILE",
            COMMAND.join(" ")
        )
    }
}

fn find_text(setting: &Setting) -> Result<Option<(String, String)>, Box<dyn Error>> {
    if let Some(file) = &setting.text {
        return Ok(Some((file.display().to_string(), text::read(file)?)));
    }
    if Path::new(PLACE).exists() {
        return Ok(Some((PLACE.to_owned(), text::read(PLACE)?)));
    }
    let printed = Command::new(COMMAND[0]).args(&COMMAND[1..]).output();
    if let Some(printed) = printed.ok().filter(|printed| printed.status.success()) {
        return Ok(Some(("the King James Bible".to_owned(), String::from_utf8(printed.stdout)?)));
    }
    let is_quick = setting.size == Size::Quick;
    Ok(is_quick.then(|| ("a made-up text".to_owned(), made_up(setting.seed))))
}

/// Sentences of a few words in the order of a few rules.
fn made_up(seed: u64) -> String {
    let parts = [
        &["the king ", "the prophet ", "a servant ", "the people ", "his son "][..],
        &["saw ", "blessed ", "followed ", "heard ", "sent away "],
        &["the river", "a lamb", "the house of his father", "the stars", "the children of the city"],
        &[".\n", ", and ", ", because "],
    ];
    // A linear congruential generator (Knuth's MMIX): any would do.
    let mut state = seed;
    let mut draw = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    (0..1000).flat_map(|_| parts.map(|words| words[draw(words.len())])).collect()
}

/// exp of the cross-entropy of a part, by the frequencies of another with one added to each count.
fn by_frequency(train: &[i64], test: &[i64], n_characters: usize) -> f64 {
    let mut counts = vec![1.0f64; n_characters];
    train.iter().for_each(|token| counts[*token as usize] += 1.0);
    let total: f64 = counts.iter().sum();
    let losses = test.iter().map(|token| -(counts[*token as usize] / total).ln());
    (losses.sum::<f64>() / test.len() as f64).exp()
}
