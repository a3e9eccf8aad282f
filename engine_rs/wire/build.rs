//! Generates from `proto/` at build time, without protoc: the Rust types, a table of the fields that each
//! message has, the numbers of the fields that answers are written with, and the views that requests are read into.

#[path = "build/views.rs"]
mod views;

use std::fmt::Write;
use std::path::PathBuf;

use prost_types::FileDescriptorSet;
use prost_types::field_descriptor_proto::Label;

/// The requests of the hot path; what they hold is read as views too.
const READ_AS_VIEWS: [&str; 2] = [".dealwright.v1.EvaluateRequest", ".dealwright.v1.ExplainRequest"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    let package = root.join("dealwright/v1");
    println!("cargo:rerun-if-changed={}", package.display());
    let mut files: Vec<PathBuf> = std::fs::read_dir(&package)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "proto"))
        .collect();
    files.sort();
    let descriptors = protox::compile(&files, [&root])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("fields.rs"), fields(&descriptors)?)?;
    std::fs::write(out.join("numbers.rs"), numbers(&descriptors)?)?;
    std::fs::write(out.join("views.rs"), views::generate(&descriptors, &READ_AS_VIEWS)?)?;
    // Larger by far than what else can stand in their place.
    prost_build::Config::new()
        .boxed(".dealwright.v1.Sale.paid.result")
        .boxed(".dealwright.v1.JournalRecord.event.sale")
        .compile_fds(descriptors)?;
    Ok(())
}

/// One row per message: its name, and its fields with their numbers and, where they hold a message,
/// the row of that.
fn fields(descriptors: &FileDescriptorSet) -> Result<String, std::fmt::Error> {
    let mut messages = Vec::new();
    for file in &descriptors.file {
        for message in &file.message_type {
            messages.push((format!(".{}.{}", file.package(), message.name()), message));
        }
    }
    let row = |name: &str| messages.iter().position(|(listed, _)| listed == name);
    let mut table = String::from("static MESSAGES: &[(&str, &[Field])] = &[\n");
    for (_, message) in &messages {
        writeln!(table, "({:?}, &[", message.name())?;
        for field in &message.field {
            let (number, name, holds) = (field.number(), field.name(), row(field.type_name()));
            let repeated = field.label() == Label::Repeated;
            writeln!(
                table,
                "Field {{ number: {number}, name: {name:?}, holds: {holds:?}, repeated: {repeated} }},"
            )?;
        }
        writeln!(table, "]),")?;
    }
    writeln!(table, "];")?;
    Ok(table)
}

/// The files whose messages are written field by field.
const WRITTEN: [&str; 3] =
    ["dealwright/v1/money.proto", "dealwright/v1/result.proto", "google/protobuf/timestamp.proto"];
/// Messages of those files that are only read.
const ONLY_READ: [&str; 1] = ["Amounts"];

/// A module per message with the numbers of its fields: `result::TOTALS`. One that nothing writes is a
/// warning, so that a new field isn't forgotten.
fn numbers(descriptors: &FileDescriptorSet) -> Result<String, std::fmt::Error> {
    let mut modules = String::new();
    let written = descriptors.file.iter().filter(|file| WRITTEN.contains(&file.name()));
    for message in written.flat_map(|file| &file.message_type) {
        if ONLY_READ.contains(&message.name()) {
            continue;
        }
        writeln!(modules, "pub(crate) mod {} {{", snake_case(message.name()))?;
        for field in &message.field {
            writeln!(
                modules,
                "pub(crate) const {}: u32 = {};",
                field.name().to_ascii_uppercase(),
                field.number()
            )?;
        }
        writeln!(modules, "}}")?;
    }
    Ok(modules)
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}
