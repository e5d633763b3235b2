//! What was measured, epoch by epoch. In: epochs. Out: a table, as CSV too, and back.

use std::{io, sync::Arc};

use crate::{numbers::short, risk::Estimate};

/// One epoch.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Epoch {
    /// Its number, from 1.
    pub epoch: u64,
    /// Steps since the beginning.
    pub step: u64,
    /// The measures, `loss` first, in the order of both vectors.
    pub names: Arc<[String]>,
    /// The mean of each measure over the training batches of the epoch, each before its own step.
    pub train: Vec<f64>,
    /// Each measure of the parameters after the epoch on the validation set; empty without one.
    pub validation: Vec<Estimate>,
}

/// A measure with its interval.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Measured {
    /// The name of the measure.
    pub name: String,
    /// What was found.
    pub estimate: Estimate,
}

/// All epochs of a training.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "SerializedHistory", into = "SerializedHistory"))]
pub struct History {
    names: Arc<[String]>,
    epochs: Vec<Epoch>,
}

impl History {
    pub(super) fn new(names: Vec<String>) -> History {
        History { names: names.into(), epochs: Vec::new() }
    }

    pub(super) fn shared_names(&self) -> Arc<[String]> {
        Arc::clone(&self.names)
    }

    pub(super) fn push(&mut self, epoch: Epoch) {
        self.epochs.push(epoch);
    }

    /// The measures, `loss` first, in the order of the vectors of an [`Epoch`].
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The epochs.
    pub fn epochs(&self) -> &[Epoch] {
        &self.epochs
    }

    /// A measure over the epochs by name, as (epoch, mean over the training batches).
    pub fn train(&self, name: &str) -> Vec<(f64, f64)> {
        let Some(position) = self.position(name) else { return Vec::new() };
        self.epochs.iter().map(|epoch| (epoch.epoch as f64, epoch.train[position])).collect()
    }

    /// A measure over the epochs by name, as (epoch, estimate on the validation set).
    pub fn validation(&self, name: &str) -> Vec<(f64, Estimate)> {
        let Some(position) = self.position(name) else { return Vec::new() };
        let point = |epoch: &Epoch| Some((epoch.epoch as f64, *epoch.validation.get(position)?));
        self.epochs.iter().filter_map(point).collect()
    }

    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|found| found == name)
    }

    /// Writes the table: `epoch,step`, then `train_NAME` of each measure, then `validation_NAME`, `…_lower`, `…_upper`, and
    /// the level of the intervals. Numbers are written with all their digits, very large and small ones with an exponent.
    /// Without a validation set its columns are empty.
    ///
    /// # Errors
    /// Whatever `writer` says.
    pub fn write_csv(&self, writer: impl io::Write) -> io::Result<()> {
        let mut writer = csv::Writer::from_writer(writer);
        let train = self.names.iter().map(|name| format!("train_{name}"));
        let validation = self
            .names
            .iter()
            .flat_map(|name| ["", "_lower", "_upper"].map(|bound| format!("validation_{name}{bound}")));
        let header = ["epoch".to_owned(), "step".to_owned()].into_iter().chain(train).chain(validation);
        writer.write_record(header.chain(["level".to_owned()]))?;
        for epoch in &self.epochs {
            let mut record = vec![epoch.epoch.to_string(), epoch.step.to_string()];
            record.extend(epoch.train.iter().map(|number| short(*number).to_string()));
            record.extend(epoch.validation.iter().flat_map(|estimate| {
                [estimate.value, estimate.lower, estimate.upper].map(|number| short(number).to_string())
            }));
            let n_columns = 2 + 4 * self.names.len();
            record.resize(n_columns, String::new());
            record.push(epoch.validation.first().map_or(String::new(), |estimate| short(estimate.level).to_string()));
            writer.write_record(record)?;
        }
        writer.flush()
    }

    /// The table that [`History::write_csv`] wrote, of these measures; none if it is another.
    pub(super) fn read_csv(names: Vec<String>, text: &str) -> Option<History> {
        let mut history = History::new(names);
        let n = history.names.len();
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        for record in reader.records() {
            let record = record.ok().filter(|record| record.len() == 3 + 4 * n)?;
            let number = |position: usize| record[position].parse::<f64>().ok();
            let estimate = |measure: usize| {
                let [value, lower, upper] = [0, 1, 2].map(|bound| number(2 + n + 3 * measure + bound));
                Some(Estimate { value: value?, lower: lower?, upper: upper?, level: number(2 + 4 * n)? })
            };
            let is_validated = !record[2 + 4 * n].is_empty();
            history.push(Epoch {
                epoch: record[0].parse().ok()?,
                step: record[1].parse().ok()?,
                names: Arc::clone(&history.names),
                train: (0..n).map(|measure| number(2 + measure)).collect::<Option<_>>()?,
                validation: if is_validated { (0..n).map(estimate).collect::<Option<_>>()? } else { Vec::new() },
            });
        }
        Some(history)
    }
}

/// A history as it is serialized: its names once, not in each epoch.
#[cfg(feature = "serde")]
#[derive(serde::Serialize, serde::Deserialize)]
struct SerializedHistory {
    names: Vec<String>,
    epochs: Vec<SerializedEpoch>,
}

#[cfg(feature = "serde")]
#[derive(serde::Serialize, serde::Deserialize)]
struct SerializedEpoch {
    epoch: u64,
    step: u64,
    train: Vec<f64>,
    validation: Vec<Estimate>,
}

#[cfg(feature = "serde")]
impl From<History> for SerializedHistory {
    fn from(history: History) -> SerializedHistory {
        let epochs = history.epochs.into_iter().map(|Epoch { epoch, step, names: _, train, validation }| {
            SerializedEpoch { epoch, step, train, validation }
        });
        SerializedHistory { names: history.names.to_vec(), epochs: epochs.collect() }
    }
}

#[cfg(feature = "serde")]
impl TryFrom<SerializedHistory> for History {
    type Error = String;

    /// Refuses an epoch with more or fewer numbers than there are names, which the other methods count on.
    fn try_from(serialized: SerializedHistory) -> Result<History, String> {
        let mut history = History::new(serialized.names);
        let n_names = history.names.len();
        for SerializedEpoch { epoch, step, train, validation } in serialized.epochs {
            if train.len() != n_names || !(validation.is_empty() || validation.len() == n_names) {
                let (n_train, n_validation) = (train.len(), validation.len());
                return Err(format!(
                    "epoch {epoch} has {n_train} means and {n_validation} estimates of {n_names} measures"
                ));
            }
            history.push(Epoch { epoch, step, names: history.shared_names(), train, validation });
        }
        Ok(history)
    }
}
