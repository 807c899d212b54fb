"""The places of the app. They compose and route; they hold no client and no history."""
