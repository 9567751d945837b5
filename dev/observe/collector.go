// An OpenTelemetry Collector with just the components of deploy/observe/collector.yaml. The image of
// compose.yaml has all of contrib's.
package main

import (
	"log"

	"github.com/open-telemetry/opentelemetry-collector-contrib/exporter/prometheusexporter"
	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/healthcheckextension"
	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/kafkametricsreceiver"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/envprovider"
	"go.opentelemetry.io/collector/confmap/provider/fileprovider"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/otlphttpexporter"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/batchprocessor"
	"go.opentelemetry.io/collector/processor/memorylimiterprocessor"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/service/telemetry/otelconftelemetry"
)

func components() (otelcol.Factories, error) {
	extensions := []extension.Factory{healthcheckextension.NewFactory()}
	receivers := []receiver.Factory{otlpreceiver.NewFactory(), kafkametricsreceiver.NewFactory()}
	processors := []processor.Factory{batchprocessor.NewFactory(), memorylimiterprocessor.NewFactory()}
	exporters := []exporter.Factory{prometheusexporter.NewFactory(), otlphttpexporter.NewFactory()}
	return otelcol.Factories{
		Telemetry:  otelconftelemetry.NewFactory(),
		Extensions: byType(extensions),
		Receivers:  byType(receivers),
		Processors: byType(processors),
		Exporters:  byType(exporters),
	}, nil
}

func byType[T component.Factory](factories []T) map[component.Type]T {
	found := map[component.Type]T{}
	for _, factory := range factories {
		found[factory.Type()] = factory
	}
	return found
}

func main() {
	providers := []confmap.ProviderFactory{envprovider.NewFactory(), fileprovider.NewFactory()}
	resolver := confmap.ResolverSettings{ProviderFactories: providers}
	settings := otelcol.CollectorSettings{
		BuildInfo:              component.NewDefaultBuildInfo(),
		Factories:              components,
		ConfigProviderSettings: otelcol.ConfigProviderSettings{ResolverSettings: resolver},
	}
	if err := otelcol.NewCommand(settings).Execute(); err != nil {
		log.Fatal(err)
	}
}
