// Usage: ask URL IDEMPOTENCY_KEY FEEDBACK; prints the answer as the generated client decodes it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"

	mentor "example.org/mathtrail/mentor"
)

func main() {
	var feedback mentor.Feedback
	must(json.Unmarshal([]byte(os.Args[3]), &feedback))
	configuration := mentor.NewConfiguration()
	configuration.Servers = mentor.ServerConfigurations{{URL: os.Args[1]}}
	request := mentor.NewAPIClient(configuration).FeedbackAPI.TakeFeedback(context.Background())
	update, _, err := request.IdempotencyKey(os.Args[2]).Feedback(feedback).Execute()
	must(json.NewEncoder(os.Stdout).Encode(report(update, err)))
}

func report(update *mentor.StrategyUpdate, err error) map[string]any {
	var failure *mentor.GenericOpenAPIError
	if errors.As(err, &failure) {
		return map[string]any{"error": failure.Model()}
	}
	must(err)
	decidedBy := "StrategySnapshot"
	if update.StrategySnapshot.ModelSnapshot != nil {
		decidedBy = "ModelSnapshot"
	}
	return map[string]any{"update": update, "decided_by": decidedBy}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
