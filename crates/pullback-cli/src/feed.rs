//! Arrays for what a graph declares. In: the graph, files of arrays, numbers, a seed. Out: what programs are fed, each array of its
//! declared dtype and rank; or what is missing, all of it at once.

use indexmap::IndexMap;
use ndarray::arr0;
use pullback::{
    DType, Expr, Parameters, Value,
    graph::Op,
    parameters::{Layout, State},
};

use crate::{
    arrays::{ArrayFile, Held},
    error::{CliError, MissingArray, nearest},
    graph_file::{GraphFile, STANDARD},
};

/// Where arrays come from.
#[derive(Debug, clap::Args)]
pub(crate) struct FeedArguments {
    /// Arrays for inputs, parameters and states: those of an npz or safetensors file by their names, or NAME=FILE for one
    /// array of any format: npz, safetensors, npy, csv. FILE may be - for the standard input. What has a name here counts
    /// before what a file has under that name; other arrays in a file are left alone.
    #[arg(short, long = "input", value_name = "[NAME=]FILE")]
    inputs: Vec<ArrayFile>,
    /// A number for an input, parameter or state without axes.
    #[arg(long = "set", value_name = "NAME=NUMBER")]
    numbers: Vec<Setting>,
    /// Draws the parameters and states that are not given by their initializers; the same seed gives the same numbers.
    #[arg(long)]
    seed: Option<u64>,
    /// Converts arrays of another dtype to the one declared, floats to the nearest; no float becomes an integer.
    #[arg(long)]
    cast: bool,
}

/// A number with a name.
#[derive(Debug, Clone)]
struct Setting {
    name: String,
    number: String,
}

impl std::str::FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Setting, String> {
        let setting = text.split_once('=').map(|(name, number)| (name.to_owned(), number.to_owned()));
        let (name, number) = setting.ok_or("it must be a name and a number, as in `x=0.5`")?;
        Ok(Setting { name, number })
    }
}

/// What programs are fed.
pub(crate) struct Feed {
    pub(crate) inputs: Vec<(String, Value)>,
    pub(crate) parameters: Parameters,
}

/// An array with the file that it is of.
struct Given {
    held: Held,
    source: String,
    /// Whether the command says what it is for.
    is_named: bool,
}

impl FeedArguments {
    /// The arrays for a graph.
    pub(crate) fn feed(&self, file: &GraphFile) -> Result<Feed, CliError> {
        let n_standard = self.inputs.iter().filter(|input| input.file == STANDARD).count();
        if n_standard + usize::from(file.name == crate::graph_file::shown(STANDARD)) > 1 {
            return Err(CliError::Usage("the standard input is read once, for the graph or for one file".to_owned()));
        }
        let given = self.given(file)?;
        let mut values: IndexMap<String, Value> = IndexMap::new();
        let mut missing = Vec::new();
        for leaf in file.leaves() {
            let name = leaf.name().expect("invariant: what is fed has a name");
            match given.get(&name) {
                Some(given) => drop(values.insert(name, self.fitted(&leaf, given)?)),
                None => missing.push(leaf),
            }
        }
        self.check_missing(file, &missing, &given)?;
        self.arrays(file, values)
    }

    /// All arrays of all files, by name.
    fn given(&self, file: &GraphFile) -> Result<IndexMap<String, Given>, CliError> {
        let mut given: IndexMap<String, Given> = IndexMap::new();
        let (named, others): (Vec<&ArrayFile>, Vec<&ArrayFile>) =
            self.inputs.iter().partition(|input| input.name.is_some());
        for input in named {
            input.name.iter().try_for_each(|name| check_known(file, name, &input.shown()))?;
            for (name, held) in input.read()? {
                insert(&mut given, name, Given { held, source: input.shown(), is_named: true })?;
            }
        }
        for setting in &self.numbers {
            check_known(file, &setting.name, "--set")?;
            let leaf = file.node(&setting.name)?;
            let value = setting.value(&leaf)?;
            let source = "--set".to_owned();
            insert(&mut given, setting.name.clone(), Given { held: Held::Array(value), source, is_named: true })?;
        }
        for input in others {
            for (name, held) in input.read()? {
                if !given.get(&name).is_some_and(|given| given.is_named) {
                    insert(&mut given, name, Given { held, source: input.shown(), is_named: false })?;
                }
            }
        }
        Ok(given)
    }

    /// The array for a declaration.
    fn fitted(&self, leaf: &Expr<'_>, given: &Given) -> Result<Value, CliError> {
        let (name, ty, site) = (leaf.name().unwrap_or_default(), leaf.ty(), leaf.site());
        let value = match &given.held {
            Held::Table(table) => table.value(&name, &ty)?,
            Held::Array(value) => value.clone(),
        };
        let found = value.dtype();
        let converted =
            if found == ty.dtype { Some(value) } else { self.cast.then(|| cast(&value, ty.dtype)).flatten() };
        let source_name = given.source.clone();
        let Some(value) = converted else {
            return Err(CliError::WrongDType { name, expected: ty.dtype, found, site, source_name });
        };
        let fits = |(dim, size): (&pullback::Dim, &usize)| {
            dim.as_number().is_none_or(|number| usize::try_from(number) == Ok(*size))
        };
        if value.shape().len() != ty.rank() || !ty.shape.iter().zip(value.shape()).all(fits) {
            let found = value.shape().to_vec();
            return Err(CliError::WrongShape { name, expected: ty.shape, found, site, source_name });
        }
        Ok(value)
    }

    /// That nothing is missing which the results need, and that no seed draws.
    fn check_missing(
        &self,
        file: &GraphFile,
        missing: &[Expr<'_>],
        given: &IndexMap<String, Given>,
    ) -> Result<(), CliError> {
        let results: Vec<_> = file.parsed.results.values().copied().collect();
        let needed = file.graph().ancestors(&results);
        let is_initialized = |leaf: &Expr<'_>| matches!(leaf.op(), Op::Parameter(_) | Op::State(_));
        let lacks = |leaf: &&Expr<'_>| {
            needed.binary_search(&leaf.id()).is_ok() && !(self.seed.is_some() && is_initialized(leaf))
        };
        let lacking = missing.iter().filter(lacks).map(|leaf| {
            let name = leaf.name().unwrap_or_default();
            let nearest = nearest(&name, given.keys().map(String::as_str));
            MissingArray { ty: leaf.ty(), site: leaf.site(), is_initialized: is_initialized(leaf), nearest, name }
        });
        let lacking: Vec<MissingArray> = lacking.collect();
        if lacking.is_empty() { Ok(()) } else { Err(CliError::MissingArrays(lacking)) }
    }

    /// Values by what they are for.
    fn arrays(&self, file: &GraphFile, mut values: IndexMap<String, Value>) -> Result<Feed, CliError> {
        let graph = file.graph();
        let mut take = |leaves: Vec<Expr<'_>>| -> Vec<(String, Value)> {
            leaves.iter().filter_map(|leaf| values.shift_remove_entry(&leaf.name()?)).collect()
        };
        let (inputs, given, states) = (take(graph.inputs()), take(graph.parameters()), take(graph.states()));
        let Some(seed) = self.seed else {
            let layout = given.iter().map(|(name, value)| (name.as_str(), value.dtype(), value.shape().to_vec()));
            let layout = Layout::new(layout).map_err(pullback::parameters::ParameterError::from)?;
            let mut parameters = Parameters::zeros(layout).with_state(State::new(states));
            given.iter().try_for_each(|(name, value)| parameters.set(name, value))?;
            return Ok(Feed { inputs, parameters });
        };
        let mut parameters = graph.initialize(seed)?;
        given.iter().try_for_each(|(name, value)| parameters.set(name, value))?;
        states.iter().try_for_each(|(name, value)| parameters.state_mut().set(name, value))?;
        Ok(Feed { inputs, parameters })
    }
}

fn insert(given: &mut IndexMap<String, Given>, name: String, array: Given) -> Result<(), CliError> {
    if let Some(first) = given.get(&name) {
        return Err(CliError::GivenTwice { name, first: first.source.clone(), second: array.source });
    }
    given.insert(name, array);
    Ok(())
}

/// That a graph declares a name.
fn check_known(file: &GraphFile, name: &str, source_name: &str) -> Result<(), CliError> {
    if file.graph().named(name).is_some() {
        return Ok(());
    }
    let leaves: Vec<String> = file.leaves().iter().filter_map(Expr::name).collect();
    Err(CliError::UnknownArray {
        source_name: source_name.to_owned(),
        file: file.name.to_owned(),
        name: name.to_owned(),
        nearest: nearest(name, leaves.iter().map(String::as_str)),
    })
}

impl Setting {
    /// The number as the dtype of a declaration.
    fn value(&self, leaf: &Expr<'_>) -> Result<Value, CliError> {
        let text = self.number.as_str();
        let value = match leaf.dtype() {
            DType::F32 => text.parse().ok().map(|x: f32| Value::F32(arr0(x).into_dyn())),
            DType::F64 => text.parse().ok().map(|x: f64| Value::F64(arr0(x).into_dyn())),
            DType::I64 => text.parse().ok().map(|x: i64| Value::I64(arr0(x).into_dyn())),
            DType::Bool => text.parse().ok().map(|x: bool| Value::Bool(arr0(x).into_dyn())),
        };
        value.ok_or_else(|| CliError::Usage(format!("--set {}={text}: `{text}` is no {}", self.name, leaf.dtype())))
    }
}

/// An array in another dtype; none where a float would become an integer, or anything a truth value.
fn cast(value: &Value, to: DType) -> Option<Value> {
    Some(match (value, to) {
        (Value::F64(array), DType::F32) => Value::F32(array.mapv(|x| x as f32)),
        (Value::F32(array), DType::F64) => Value::F64(array.mapv(f64::from)),
        (Value::I64(array), DType::F32) => Value::F32(array.mapv(|x| x as f32)),
        (Value::I64(array), DType::F64) => Value::F64(array.mapv(|x| x as f64)),
        (Value::Bool(array), DType::F32) => Value::F32(array.mapv(f32::from)),
        (Value::Bool(array), DType::F64) => Value::F64(array.mapv(f64::from)),
        (Value::Bool(array), DType::I64) => Value::I64(array.mapv(i64::from)),
        _ => return None,
    })
}
