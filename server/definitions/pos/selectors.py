"""Lines of a cart, as documents pick them: by category, by product, and with exceptions."""

from typing import Any

from dealwright.v1.selector_pb2 import LineFilter, Selector

Json = dict[str, Any]


def scope_section(selector: Selector) -> Json:
    """The section `scope`. All four lists are there always, and every exception counts (C-03)."""
    categories = _ids(selector.include, "category_ids")
    products = _ids(selector.include, "product_ids")
    return {
        "apply_to": "category" if categories else "product" if products else "all",
        "categories": categories,
        "products": products,
        "exclude_categories": _ids(selector.exclude, "category_ids"),
        "exclude_products": _ids(selector.exclude, "product_ids"),
    }


def scope_of(section: Json) -> Selector:
    """What a section `scope` picks."""
    chosen = {"category": "categories", "product": "products"}.get(section["apply_to"])
    include = _filters(
        section["categories"] if chosen == "categories" else [],
        section["products"] if chosen == "products" else [],
    )
    return Selector(
        include=include, exclude=_filters(section["exclude_categories"], section["exclude_products"])
    )


def one_product(selector: Selector) -> str:
    """The product that a selector picks, when it is one."""
    return next(iter(_ids(selector.include, "product_ids")), "")


def of_product(product_id: str) -> Selector:
    return Selector(include=[LineFilter(product_ids=[product_id])])


def one_category(selector: Selector) -> str:
    """The category that a selector picks, when it is one."""
    return next(iter(_ids(selector.include, "category_ids")), "")


def of_category(category_id: str) -> Selector:
    return Selector(include=[LineFilter(category_ids=[category_id])])


def _ids(filters: Any, dimension: str) -> list[str]:
    return [key for found in filters for key in getattr(found, dimension)]


def _filters(categories: list[str], products: list[str]) -> list[LineFilter]:
    filters = []
    if categories:
        filters.append(LineFilter(category_ids=categories))
    if products:
        filters.append(LineFilter(product_ids=products))
    return filters
