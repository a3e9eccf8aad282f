"""What every process of the service needs: settings, logs, metrics, errors, and the composition root."""
