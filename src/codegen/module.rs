//! Functions → one file. In: functions as code, with names and types of their arguments. Out: Rust that depends on nothing, with the trait
//! `Math`, the helpers that are called, and a workspace for each function that needs memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use super::{
    MathProvider,
    error::CodeError,
    functions::{HELPERS, Helper, MATH, MathFunction},
    ir::{Array, ArrayId, ArrayPlace, FunctionCode},
    print::{Calls, Printer, literal, suffix, type_name},
    support,
};
use crate::{
    graph::{DType, Site, Value},
    plan::ScalarValue,
};

/// Words that no argument and no function may be called.
const KEYWORDS: &[&str] = &[
    "as", "async", "await", "box", "break", "const", "continue", "crate", "do", "dyn", "else", "enum", "extern",
    "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod", "move", "mut",
    "override", "priv", "pub", "ref", "return", "self", "Self", "static", "struct", "super", "trait", "true", "try",
    "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "yield", "abstract", "become", "work",
];

/// An argument of a function.
#[derive(Debug, Clone)]
pub(super) struct FunctionArgument {
    /// What it is: input, parameter, state or output.
    pub(super) role: &'static str,
    /// The name that the user gave.
    pub(super) name: String,
    /// That with symbols for sizes.
    pub(super) ty: String,
    pub(super) site: Site,
    pub(super) array: ArrayId,
}

/// A function with what its text needs.
#[derive(Debug)]
pub(super) struct GeneratedFunction {
    pub(super) name: String,
    /// Whether sums of products are rounded once.
    pub(super) fused: bool,
    pub(super) sizes: Vec<(String, i64)>,
    pub(super) arguments: Vec<FunctionArgument>,
    pub(super) constants: Vec<(ArrayId, String, Value)>,
    pub(super) code: FunctionCode,
}

/// Whether a helper takes the trait `Math`.
pub(super) fn is_generic(helper: &str) -> bool {
    let found = find(helper);
    !found.math.is_empty() || found.helpers.iter().any(|helper| is_generic(helper))
}

fn find(helper: &str) -> &'static Helper {
    HELPERS.iter().find(|known| known.name == helper).expect("invariant: helpers are in the table")
}

/// A name that Rust takes, from one with dots and other letters.
pub(super) fn identifier(name: &str) -> String {
    let mut text: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    if !text.starts_with(|c: char| c.is_ascii_alphabetic()) {
        text.insert_str(0, "a_");
    }
    let is_ours = text.len() > 1
        && text.starts_with(['t', 'r', 'i', 'n', 'a', 'w'])
        && text[1..].chars().all(|c| c.is_ascii_digit());
    if is_taken(&text) || is_ours {
        text.push('_');
    }
    text
}

/// Whether a word is one of Rust's, or a function that the file may bring along, by either suffix.
fn is_taken(word: &str) -> bool {
    let is_brought = |word: &str| {
        HELPERS.iter().any(|helper| helper.name == word) || support::SUPPORT.iter().any(|support| support.name == word)
    };
    KEYWORDS.contains(&word) || is_brought(word) || word.strip_suffix('f').is_some_and(is_brought)
}

/// A text of the user's for a comment, which ends with its line.
pub(super) fn in_comment(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c }).collect()
}

/// That a name is one of a function.
pub(super) fn check_name(name: &str) -> Result<(), CodeError> {
    let is_word = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name != "_"
        && !is_taken(name);
    if is_word { Ok(()) } else { Err(CodeError::BadName { name: name.to_owned() }) }
}

/// `kalman_step` → `KalmanStep`.
fn camel_case(name: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
    };
    name.split('_').map(capital).collect()
}

/// The text of a module.
pub(super) fn module(functions: &[GeneratedFunction], provider: MathProvider) -> Result<String, CodeError> {
    let mut bodies = String::new();
    let mut calls = Calls::default();
    for function in functions {
        let own = write_function(function, &mut bodies);
        calls.math.extend(own.math);
        calls.helpers.extend(own.helpers);
        calls.support.extend(own.support);
        calls.has_positions |= own.has_positions;
        calls.has_bounds |= own.has_bounds;
    }
    close(&mut calls);
    let mut text = String::from(HEAD);
    if calls.is_fallible() {
        let variants = [(calls.has_positions, OUT_OF_RANGE), (calls.has_bounds, TOO_MANY)];
        let variants: String = variants.iter().filter(|(is_met, _)| *is_met).map(|(_, text)| *text).collect();
        let _ = writeln!(text, "{FAULT}{variants}}}\n");
    }
    write_math(&calls, provider, &mut text)?;
    text += &bodies;
    for (name, dtype) in &calls.helpers {
        let helper = find(name);
        text.push('\n');
        if helper.is_by_f64 && *dtype == DType::F32 {
            let _ = writeln!(text, "fn {name}f<M: Math>(x: f32) -> f32 {{\n    {name}::<M>(f64::from(x)) as f32\n}}");
        } else {
            text += &substitute(helper.text, *dtype);
        }
    }
    for (name, dtype) in &calls.support {
        text.push('\n');
        text += &substitute(support::find(name).text, *dtype);
    }
    Ok(text)
}

/// No attribute of a whole file, which `include!` refuses.
const HEAD: &str = "// Made by Pullback from a graph; edit the graph, not this file.

";

const FAULT: &str = "/// Why a function has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
";

const OUT_OF_RANGE: &str = "    /// A position is beyond the axis that it selects from.
    IndexOutOfRange {
        /// The operation, and where it was written.
        line: &'static str,
    },
";

const TOO_MANY: &str = "    /// A loop goes on for longer than it may.
    TooManyIterations {
        /// The most iterations.
        bound: u64,
        /// The loop, and where it was written.
        line: &'static str,
    },
";

/// Adds what is called by what is called.
fn close(calls: &mut Calls) {
    loop {
        let before = (calls.math.len(), calls.helpers.len(), calls.support.len());
        for (name, dtype) in calls.support.clone() {
            let (own, key) = (support::find(name), support::key(name, dtype));
            if key.1 != dtype {
                calls.support.remove(&(name, dtype));
                calls.support.insert(key);
            }
            calls.support.extend(own.support.iter().map(|other| support::key(other, dtype)));
            calls.math.extend(own.math.iter().map(|function| (*function, dtype)));
        }
        for (name, dtype) in calls.helpers.clone() {
            let helper = find(name);
            if helper.is_by_f64 && dtype == DType::F32 {
                calls.helpers.insert((name, DType::F64));
                continue;
            }
            calls.helpers.extend(helper.helpers.iter().map(|other| (*other, dtype)));
            calls.math.extend(helper.math.iter().map(|function| (*function, dtype)));
        }
        if before == (calls.math.len(), calls.helpers.len(), calls.support.len()) {
            return;
        }
    }
}

/// The text of a helper for a float type.
fn substitute(text: &str, dtype: DType) -> String {
    let mut result = String::with_capacity(text.len());
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_generic = text.contains("<T");
    for piece in text.split_inclusive(|c: char| !is_word(c)) {
        let end = piece.find(|c| !is_word(c)).unwrap_or(piece.len());
        let (word, rest) = piece.split_at(end);
        match word {
            "T" if !is_generic => result += type_name(dtype),
            _ => match word.strip_suffix('S').filter(|stem| !stem.is_empty()) {
                Some(stem) => {
                    result += stem;
                    result += suffix(dtype);
                }
                None => result += word,
            },
        }
        result += rest;
    }
    result
}

/// The trait with the functions that are called, and what implements it.
fn write_math(calls: &Calls, provider: MathProvider, text: &mut String) -> Result<(), CodeError> {
    if calls.math.is_empty() {
        return Ok(());
    }
    let functions: Vec<(&MathFunction, DType)> = MATH
        .iter()
        .flat_map(|function| [DType::F64, DType::F32].map(|dtype| (function, dtype)))
        .filter(|(function, dtype)| calls.math.contains(&(function.name, *dtype)))
        .collect();
    let operands = |function: &MathFunction| ["x", "x, y", "x, y, z"][function.n_operands - 1];
    let signature = |function: &MathFunction, dtype: DType| {
        let ty = type_name(dtype);
        let operands: Vec<String> = operands(function).split(", ").map(|operand| format!("{operand}: {ty}")).collect();
        let operands = operands.join(", ");
        format!("fn {}{}({operands}) -> {ty}", function.name, suffix(dtype))
    };
    *text += "/// Functions of mathematics, named as in C.\npub trait Math {\n";
    for (function, dtype) in &functions {
        let _ = writeln!(text, "    /// {}\n    {};", meaning(function), signature(function, *dtype));
    }
    *text += "}\n\n";
    let (name, about) = match provider {
        MathProvider::Std => ("Std", "The functions of the standard library."),
        MathProvider::Libm => ("Libm", "The functions of the crate `libm`."),
        MathProvider::None => return Ok(()),
    };
    let _ = writeln!(text, "/// {about}\n#[derive(Debug, Clone, Copy)]\npub struct {name};\n\nimpl Math for {name} {{");
    for (function, dtype) in functions {
        let call = match (provider, function.method) {
            (MathProvider::Libm, _) => format!("libm::{}{}({})", function.name, suffix(dtype), operands(function)),
            (_, Some(method)) => {
                let rest = operands(function).split_once(", ").map_or("", |(_, rest)| rest);
                format!("x.{method}({rest})")
            }
            (_, None) if function.name == "fmod" => "x % y".to_owned(),
            (_, None) => return Err(CodeError::NoFunction { function: function.name }),
        };
        let _ = writeln!(text, "    #[inline(always)]\n    {} {{\n        {call}\n    }}", signature(function, dtype));
    }
    *text += "}\n\n";
    Ok(())
}

/// What a function of `Math` gives; of two operands x comes first.
fn meaning(function: &MathFunction) -> &'static str {
    if function.name == "atan2" {
        "The angle in radians of the point (y, x), with x the first operand."
    } else {
        function.meaning
    }
}

/// Writes one function with its workspace and its constants; gives what it calls.
fn write_function(function: &GeneratedFunction, text: &mut String) -> Calls {
    let names = names(function);
    let (body, calls) = Printer::new(&function.code, function.fused, &|array: ArrayId| names[&array].clone()).print();
    let workspace = format!("{}Workspace", camel_case(&function.name));
    write_constants(function, &names, text);
    if !function.code.fields.is_empty() {
        write_workspace(function, &workspace, text);
    }
    write_documentation(function, &names, text);
    let mut arguments: Vec<String> = Vec::new();
    for argument in &function.arguments {
        let Array { dtype, len, place, is_scalar, .. } = &function.code.arrays[argument.array.0];
        let element = type_name(*dtype);
        let ty = match (place, is_scalar) {
            (ArrayPlace::Output, true) => format!("&mut {element}"),
            (ArrayPlace::Output, false) => format!("&mut [{element}; {len}]"),
            (_, true) => element.to_owned(),
            (_, false) => format!("&[{element}; {len}]"),
        };
        arguments.push(format!("{}: {ty}", names[&argument.array]));
    }
    if !function.code.fields.is_empty() {
        arguments.push(format!("work: &mut {workspace}"));
    }
    let mut closed = Calls {
        math: calls.math.clone(),
        helpers: calls.helpers.clone(),
        support: calls.support.clone(),
        ..Calls::default()
    };
    close(&mut closed);
    *text += "#[allow(unused_variables, unused_mut, clippy::all)]\n";
    let generic = if closed.math.is_empty() { "" } else { "<M: Math>" };
    let result = if calls.is_fallible() { " -> Result<(), Fault>" } else { "" };
    let line = format!("pub fn {}{generic}({}){result} {{", function.name, arguments.join(", "));
    if line.len() <= 120 {
        let _ = writeln!(text, "{line}");
    } else {
        let _ = writeln!(text, "pub fn {}{generic}(", function.name);
        arguments.iter().for_each(|argument| {
            let _ = writeln!(text, "    {argument},");
        });
        let _ = writeln!(text, "){result} {{");
    }
    if !function.code.fields.is_empty() {
        let fields: Vec<String> = (0..function.code.fields.len()).map(|field| format!("w{field}")).collect();
        let _ = writeln!(text, "    let {workspace} {{ {} }} = work;", fields.join(", "));
    }
    *text += &body;
    if calls.is_fallible() {
        *text += "    Ok(())\n";
    }
    *text += "}\n";
    calls
}

/// A name for each array, as a reference to it or, of a number, itself.
fn names(function: &GeneratedFunction) -> BTreeMap<ArrayId, String> {
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let mut names = BTreeMap::new();
    for argument in &function.arguments {
        let mut name = identifier(&argument.name);
        while !taken.insert(name.clone()) {
            name.push('_');
        }
        names.insert(argument.array, name);
    }
    for (array, name, _) in &function.constants {
        let mut name = format!("{}_{}", function.name.to_uppercase(), name.to_uppercase());
        while !taken.insert(name.clone()) {
            name.push('_');
        }
        names.insert(*array, format!("&{name}"));
    }
    let mut n_locals = 0;
    for (position, array) in function.code.arrays.iter().enumerate() {
        let id = ArrayId(position);
        match array.place {
            ArrayPlace::Workspace(field) => {
                names.insert(id, format!("w{field}"));
            }
            ArrayPlace::Local => {
                names.insert(id, format!("&mut a{n_locals}"));
                n_locals += 1;
            }
            ArrayPlace::Input | ArrayPlace::Output | ArrayPlace::Constant => {}
        }
    }
    names
}

fn write_constants(function: &GeneratedFunction, names: &BTreeMap<ArrayId, String>, text: &mut String) {
    for (array, _, value) in &function.constants {
        let Array { dtype, len, .. } = &function.code.arrays[array.0];
        let name = names[array].trim_start_matches('&');
        let _ = writeln!(text, "static {name}: [{}; {len}] = [", type_name(*dtype));
        let mut line = String::from("   ");
        for number in super::lower::numbers(value) {
            let number = literal(number);
            if line.len() + number.len() > 118 {
                let _ = writeln!(text, "{line}");
                line = String::from("   ");
            }
            let _ = write!(line, " {number},");
        }
        let _ = writeln!(text, "{line}\n];\n");
    }
}

fn write_workspace(function: &GeneratedFunction, name: &str, text: &mut String) {
    let bytes: usize = function.code.fields.iter().map(|(dtype, len)| dtype.size() * len).sum();
    let _ = writeln!(text, "/// Memory for [`{}`]: {bytes} bytes, which mean nothing between calls.", function.name);
    let _ = writeln!(text, "#[derive(Debug)]\npub struct {name} {{");
    for (position, (dtype, len)) in function.code.fields.iter().enumerate() {
        let _ = writeln!(text, "    w{position}: [{}; {len}],", type_name(*dtype));
    }
    let _ = writeln!(
        text,
        "}}\n\nimpl {name} {{\n    /// Of zeros.\n    pub const fn new() -> {name} {{\n        {name} {{"
    );
    for (position, (dtype, len)) in function.code.fields.iter().enumerate() {
        let _ = writeln!(text, "            w{position}: [{}; {len}],", literal(ScalarValue::new(*dtype, 0.0)));
    }
    let _ = writeln!(text, "        }}\n    }}\n}}\n\nimpl Default for {name} {{\n    fn default() -> {name} {{");
    let _ = writeln!(text, "        {name}::new()\n    }}\n}}\n");
}

fn write_documentation(function: &GeneratedFunction, names: &BTreeMap<ArrayId, String>, text: &mut String) {
    let _ = writeln!(text, "/// {} from {}.", listed(function, true), listed(function, false));
    if !function.sizes.is_empty() {
        let sizes: Vec<String> = function.sizes.iter().map(|(symbol, size)| format!("{symbol} = {size}")).collect();
        let _ = writeln!(text, "///\n/// Sizes: {}.", sizes.join(", "));
    }
    let _ = writeln!(text, "///\n/// | argument | is | declared at |\n/// |---|---|---|");
    for argument in &function.arguments {
        let FunctionArgument { role, name, ty, site, array } = argument;
        let line = format!("/// | `{}` | {role} `{name}`, `{ty}` | {site} |", names[array]);
        let _ = writeln!(text, "{}", in_comment(&line));
    }
}

fn listed(function: &GeneratedFunction, is_output: bool) -> String {
    let place = |argument: &FunctionArgument| function.code.arrays[argument.array.0].place;
    let is_of = |argument: &&FunctionArgument| (place(argument) == ArrayPlace::Output) == is_output;
    let names: Vec<String> =
        function.arguments.iter().filter(is_of).map(|argument| in_comment(&format!("`{}`", argument.name))).collect();
    match names.as_slice() {
        [] => "nothing".to_owned(),
        [name] => name.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
