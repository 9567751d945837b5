// Reads a Service as JSON from stdin, runs the code of Knative Serving's webhook and controller and of
// Kubernetes' API server on it, and prints their errors, one per line.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/apps"
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	appsvalidation "k8s.io/kubernetes/pkg/apis/apps/validation"
	corevalidation "k8s.io/kubernetes/pkg/apis/core/validation"
	network "knative.dev/networking/pkg/config"
	"knative.dev/pkg/apis"
	"knative.dev/pkg/logging"
	"knative.dev/pkg/system"
	"knative.dev/serving/pkg/apis/config"
	v1 "knative.dev/serving/pkg/apis/serving/v1"
	autoscaler "knative.dev/serving/pkg/autoscaler/config"
	"knative.dev/serving/pkg/deployment"
	"knative.dev/serving/pkg/observability"
	configuration "knative.dev/serving/pkg/reconciler/configuration/resources"
	revisionconfig "knative.dev/serving/pkg/reconciler/revision/config"
	revision "knative.dev/serving/pkg/reconciler/revision/resources"
	service "knative.dev/serving/pkg/reconciler/service/resources"
)

func main() {
	must(os.Setenv(system.NamespaceEnvKey, "knative-serving"))
	var given v1.Service
	must(json.NewDecoder(os.Stdin).Decode(&given))
	serving := defaults()
	ctx := apis.WithinCreate(config.ToContext(context.Background(), serving.Config))
	given.SetDefaults(ctx)
	if err := given.Validate(ctx); err != nil {
		fmt.Println(err)
		return
	}
	for _, found := range refused(made(ctx, &given, serving)) {
		fmt.Println(found)
	}
}

// defaults returns Serving's settings for empty ConfigMaps.
func defaults() *revisionconfig.Config {
	return &revisionconfig.Config{
		Config: &config.Config{
			Defaults:   parsed(config.NewDefaultsConfigFromMap(nil)),
			Features:   parsed(config.NewFeaturesConfigFromMap(nil)),
			Autoscaler: parsed(autoscaler.NewConfigFromMap(nil)),
		},
		Deployment: parsed(deployment.NewConfigFromMap(
			map[string]string{deployment.QueueSidecarImageKey: "queue-proxy"})),
		Network:       parsed(network.NewConfigFromMap(nil)),
		Logging:       &logging.Config{},
		Observability: observability.DefaultConfig(),
	}
}

// made returns the Deployment of the Service's first revision.
func made(ctx context.Context, given *v1.Service, serving *revisionconfig.Config) *appsv1.Deployment {
	given.UID = "service"
	first := configuration.MakeRevision(ctx, service.MakeConfiguration(given), time.Now())
	first.UID = "revision"
	first.SetDefaults(ctx)
	return parsed(revision.MakeDeployment(first, serving))
}

// refused returns the errors of the API server.
func refused(deployment *appsv1.Deployment) field.ErrorList {
	legacyscheme.Scheme.Default(deployment)
	internal := &apps.Deployment{}
	must(legacyscheme.Scheme.Convert(deployment, internal, nil))
	return appsvalidation.ValidateDeployment(internal, corevalidation.PodValidationOptions{})
}

func parsed[T any](value T, err error) T {
	must(err)
	return value
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
