//! How much the engine accepts. Each limit is tested at it and one past it.

/// Bytes of a request.
pub const REQUEST_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of one promotion.
pub const PROMOTION_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of a ruleset.
pub const RULESET_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Promotions of a ruleset.
pub const PROMOTIONS_MAX: usize = 100_000;
/// Lines of a cart.
pub const LINES_MAX: usize = 10_000;
/// Units of a line.
pub const QUANTITY_MAX: i64 = 1_000_000;
/// Minor units of any amount that people write, and of a unit price.
pub const AMOUNT_MAX: i64 = dealwright_core::model::Line::UNIT_PRICE_MAX;
/// Minor units of all lines together at list prices.
pub const CART_TOTAL_MAX: i64 = dealwright_core::model::Cart::TOTAL_MAX;
/// Codes, and vouchers, of a cart.
pub const CODES_MAX: usize = 50;
/// Levels of categories.
pub const CATEGORY_DEPTH_MAX: usize = 32;
/// Entries of a list of names, filters, amounts or facts.
pub const LIST_MAX: usize = 10_000;
/// Categories of a line with their ancestors, attributes of anything in a cart.
pub const FACTS_MAX: usize = 100;
/// Bytes of an id or a name.
pub const NAME_BYTES_MAX: usize = 256;
/// Bytes of a text that people read.
pub const TEXT_BYTES_MAX: usize = 10_000;
/// Characters of a promotion's id.
pub const ID_CHARS_MAX: usize = 64;
/// Levels of a condition.
pub const CONDITION_DEPTH_MAX: usize = 16;
/// Nodes of a promotion's condition.
pub const CONDITION_NODES_MAX: usize = 256;
/// Unit groups of a ruleset.
pub const UNIT_GROUPS_MAX: usize = 64;
/// Nodes of the search for the best plan.
pub const SEARCH_NODES_MAX: i64 = 10_000_000;
/// Slots of a set.
pub const SLOTS_MAX: usize = 12;
/// Units in a set, and sets in an order.
pub const SET_UNITS_MAX: i64 = 1_000_000;
/// Near misses, and suggestions, of an answer.
pub const ADVICE_MAX: i64 = 20;
/// Seconds for which a till goes on with a promotion without news: ten years.
pub const STALENESS_SECONDS_MAX: i64 = 10 * 366 * 24 * 60 * 60;
/// Findings that are told at once.
pub const FINDINGS_MAX: usize = 100;
