"""What scikit-learn asks of an estimator beside `fit`, without scikit-learn: its parameters, and how it is shown."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Self

from semid.checks import options_of
from semid.errors import InputError
from semid.registries import load


@dataclass(kw_only=True, eq=False, repr=False)
class Estimator:
    """A dataclass whose options can be read and set by name, so that `clone` and `Pipeline` of scikit-learn take it.

    What is learnt ends in an underscore. `fit` sets `cluster_sizes_` as its last step: without it nothing is fitted.
    """

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the arguments of the constructor by name. None of them has options of its own, whatever `deep` is."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.init}

    def set_params(self, **params: Any) -> Self:
        """Set options by name, checked together as the constructor checks them, and return the object itself.

        Where an option changes that training reads, the object is no longer fitted. Raises `InputError`, and changes
        nothing, for a name that is no option and for a value that the constructor refuses.
        """
        before = self.get_params()
        for name in params:
            if name not in before:
                raise InputError(f"{type(self).__name__} has no option {name!r}: its options are {', '.join(before)}")
        after = dataclasses.replace(self, **params).get_params()
        for name in params:
            setattr(self, name, after[name])
        changed = {name for name in params if after[name] != before[name]}
        at_encode = {option.name for option in options_of(type(self)) if option.is_at_encode}
        if changed - at_encode - {"metadata"}:
            self._forget()
        return self

    def __repr__(self) -> str:
        """Show the options that differ from their defaults."""
        texts = [
            f"{field.name}={getattr(self, field.name)!r}"
            for field in dataclasses.fields(self)
            if field.init and field.repr and getattr(self, field.name) != field.default
        ]
        return f"{type(self).__name__}({', '.join(texts)})"

    def _check_fitted(self) -> None:
        """Raise `InputError` unless `fit` came to its end."""
        if not self.__sklearn_is_fitted__():
            raise InputError(f"this {type(self).__name__} is not fitted: call fit, or read one by from_pretrained")

    def _forget(self) -> None:
        """Mark the object as not fitted, until `fit` sets `cluster_sizes_` as its last step."""
        vars(self).pop("cluster_sizes_", None)

    def __sklearn_is_fitted__(self) -> bool:
        """Whether `fit` came to its end."""
        return hasattr(self, "cluster_sizes_")

    def __sklearn_tags__(self) -> Any:
        """Return the tags of a transformer that needs no targets. Only scikit-learn asks, so that it is installed."""
        make, of_targets, of_transformers = (
            load(f"sklearn.utils:{name}") for name in ("Tags", "TargetTags", "TransformerTags")
        )
        return make(
            estimator_type="transformer",
            target_tags=of_targets(required=False),
            transformer_tags=of_transformers(preserves_dtype=[]),
        )
