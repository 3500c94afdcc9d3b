"""Makes the endpoint, the provider's key and the budget policy in a database that has none yet."""

import sys

from mlflow.entities import GatewayEndpointModelConfig, GatewayModelLinkageType
from mlflow.entities.gateway_budget_policy import (
    BudgetAction,
    BudgetDuration,
    BudgetDurationUnit,
    BudgetTargetScope,
    BudgetUnit,
)
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

database, upstream, budget = sys.argv[1:]
store = SqlAlchemyStore(database, "artifacts")
if not store.list_budget_policies():
    secret = store.create_gateway_secret("provider", {"api_key": "sk-of-the-provider"}, "openai", {"api_base": upstream})
    model = store.create_gateway_model_definition("model", secret.secret_id, "openai", "gpt-4o-mini")
    primary = GatewayEndpointModelConfig(model.model_definition_id, GatewayModelLinkageType.PRIMARY)
    store.create_gateway_endpoint("chat", [primary], usage_tracking=True)
    day = BudgetDuration(BudgetDurationUnit.DAYS, 1)
    store.create_budget_policy(BudgetUnit.USD, float(budget), day, BudgetTargetScope.GLOBAL, BudgetAction.REJECT)
